import type { Scrub } from '../../scrub/scrub.ts';
import type { Guardrail } from './guardrail.ts';
import { defang } from './links/defang.ts';
import { createLinkHosts, type IsListed } from './links/link-hosts.ts';
import { createPromptLeakCheck } from './prompt-leak.ts';

export interface StandardOptions {
  /** `host` or `*.domain`, in lower case. */
  readonly linkHosts: readonly string[];
  readonly maxReplyChars: number;
  /** `clean`: secrets in a reply are replaced. `block`: there is no reply. */
  readonly onSecret: 'clean' | 'block';
  /** Letters and digits of the instructions in a row that are a leak; null: not looked for. */
  readonly promptLeakChars: number | null;
}

/** What every agent passes, in order: what a later one changes, secrets and links still see. */
export const standardGuardrails = (
  options: StandardOptions,
  deps: {
    readonly scrub: Scrub;
    /** Services of the operator, asked after what needs no network and before what has the last word. */
    readonly services: readonly Guardrail[];
  },
): readonly Guardrail[] => [
  ...(options.promptLeakChars === null ? [] : [createPromptLeakCheck(options.promptLeakChars)]),
  repetitionCheck,
  ...deps.services,
  createSecretCheck({ ...deps, onFound: options.onSecret }),
  createLengthCheck(options.maxReplyChars),
  createLinkCheck(createLinkHosts(options.linkHosts)),
];

/** Cuts replies to so many UTF-16 code units, note included. */
export const createLengthCheck = (maxChars: number): Guardrail => ({
  name: 'length',
  stages: ['output'],
  check({ text }) {
    if (text.length <= maxChars) return { kind: 'pass' };
    const kept = text.slice(0, maxChars - NOTE.length);
    // Never between the halves of a character.
    return { kind: 'change', text: `${kept.replace(/[\ud800-\udbff]$/, '')}${NOTE}` };
  },
});

const NOTE = '\n\n[cut: the reply was too long]';

/** Looks for secrets in what goes out, after other guardrails had their say. */
export const createSecretCheck = ({
  scrub,
  onFound,
}: {
  readonly scrub: Scrub;
  /** `clean`: they are replaced. `block`: there is no reply. */
  readonly onFound: 'clean' | 'block';
}): Guardrail => ({
  name: 'secrets',
  stages: ['output', 'tool-call'],
  check({ text }) {
    const { value, findings } = scrub(text);
    if (findings.length === 0) return { kind: 'pass' };
    return onFound === 'clean' ? { kind: 'change', text: value } : { kind: 'block', reason: 'secret' };
  },
});

/** Leaves only links to listed hosts in a reply. */
const createLinkCheck = (isListed: IsListed): Guardrail => ({
  name: 'links',
  stages: ['output'],
  check({ text }) {
    const safe = defang(text, isListed);
    return safe === text ? { kind: 'pass' } : { kind: 'change', text: safe };
  },
});

/** A model in a loop says the same until its tokens are used up. Fewer characters or turns may be a table or a song. */
const MIN_CHARS = 400;
const MIN_TURNS = 10;
/** What is looked at from the end; longer loops are cut to their last part and then by the length check. */
const MAX_CHARS = 100_000;

/** Cuts a reply that ends in a loop to one turn of it. */
export const repetitionCheck: Guardrail = {
  name: 'repetition',
  stages: ['output'],
  check({ text }) {
    const loop = loopAtEnd(text);
    if (loop === null) return { kind: 'pass' };
    return {
      kind: 'change',
      text: `${text.slice(0, text.length - loop.chars + loop.period)}\n\n[cut: the reply repeated itself]`,
    };
  },
};

interface Loop {
  readonly chars: number;
  readonly period: number;
}

/**
 * The longest end of a text that is one piece said over and over. One pass: the prefix function (Knuth, Morris, Pratt) of
 * the reversed text gives the period of each of its ends.
 */
function loopAtEnd(text: string): Loop | null {
  const reversed = text.slice(-MAX_CHARS).trimEnd();
  const at = (index: number): number => reversed.charCodeAt(reversed.length - 1 - index);
  const borders = new Uint32Array(reversed.length);
  const trailing = text.slice(-MAX_CHARS).length - reversed.length;
  let loop: Loop | null = null;
  for (let end = 1; end < reversed.length; end += 1) {
    let border = borders[end - 1] ?? 0;
    while (border > 0 && at(border) !== at(end)) border = borders[border - 1] ?? 0;
    if (at(border) === at(end)) border += 1;
    borders[end] = border;
    const chars = end + 1;
    const period = chars - border;
    if (chars >= MIN_CHARS && chars >= period * MIN_TURNS) loop = { chars: chars + trailing, period };
  }
  return loop;
}
