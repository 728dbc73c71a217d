import { parseUrl } from '../../core/text/url.ts';
import { admit, type Hop } from './admit.ts';
import { OutboundError, type OutboundReason } from './reasons.ts';
import type { Resolve } from './resolve.ts';

/** What a name resolves to: always the same, or something else each time it is asked for. */
export type ScriptedAnswer = readonly string[] | { readonly sequence: readonly (readonly string[])[] };

export interface UrlQuestion {
  readonly url: string;
  /** Answers by host name. Given, it is all there is: other names have no address, and no name server is asked. */
  readonly resolve?: Readonly<Record<string, ScriptedAnswer>> | undefined;
  /** What the server would answer; several for a chain of redirects. */
  readonly redirects?: readonly ScriptedRedirect[] | undefined;
}

export interface ScriptedRedirect {
  readonly status: number;
  readonly location?: string | undefined;
}

export type VerdictReason = 'public' | 'dns-rebinding' | 'line-malformed' | OutboundReason;

export interface UrlVerdict {
  readonly url: string;
  readonly verdict: 'allowed' | 'blocked';
  /** One bounded word; `public` for what is allowed. */
  readonly reason: VerdictReason;
}

/** The guard as a stranger's URL meets it: default ports, nothing on the allow-list, five redirects. */
const policy = { ports: [80, 443], allow: [] };
const MAX_REDIRECTS = 5;

/**
 * Says whether the guarded client would fetch this URL as a tool asks for it, without opening a socket.
 * Stricter than the client in two things, because a verdict may be acted on by something that is not this client: every
 * set of a `sequence` must be public, while the client pins the first and never sees the next (`dns-rebinding` names a
 * set that is not), and a `Location` counts with every 3xx status, while the client follows five of them.
 */
export async function checkUrlVerdict(question: UrlQuestion, resolve: Resolve): Promise<UrlVerdict> {
  const reason = await refusal(question, resolve);
  return { url: question.url, verdict: reason === null ? 'allowed' : 'blocked', reason: reason ?? 'public' };
}

async function refusal(question: UrlQuestion, resolve: Resolve): Promise<VerdictReason | null> {
  const turns = question.resolve === undefined ? [resolve] : scriptedTurns(question.resolve);
  const redirects = question.redirects ?? [];
  let hop: Hop = { text: question.url };
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const judged = await judge(hop, turns);
    if (typeof judged === 'string') return judged;
    const next = redirects[hops];
    if (next?.location === undefined || next.status < 300 || next.status > 399) return null;
    hop = { text: next.location, base: judged };
  }
  return 'redirect-too-many';
}

/** The hop's URL, or what refuses it. */
async function judge(hop: Hop, turns: readonly Resolve[]): Promise<URL | VerdictReason> {
  const { signal } = new AbortController();
  let url: URL | undefined;
  for (const [turn, resolve] of turns.entries()) {
    try {
      const admission = await admit(hop, policy, resolve, signal);
      if (!admission.ok && turn > 0) return 'dns-rebinding';
      if (!admission.ok) return hop.base === undefined ? admission.reason : `redirect-${admission.reason}`;
      url = admission.target.url;
    } catch (error) {
      if (error instanceof OutboundError) return error.reason;
      throw error;
    }
  }
  return url ?? 'dns-empty';
}

/** One resolver for each time the names are asked for; a sequence that ended repeats its last set. */
function scriptedTurns(answers: Readonly<Record<string, ScriptedAnswer>>): readonly Resolve[] {
  const sets = new Map(Object.entries(answers).map(([host, answer]) => [hostKey(host), setsOf(answer)]));
  const turns = Math.max(1, ...[...sets.values()].map((sequence) => sequence.length));
  return Array.from(
    { length: turns },
    (_, turn): Resolve =>
      async (host) => {
        const sequence = sets.get(host) ?? [];
        return sequence[Math.min(turn, sequence.length - 1)] ?? [];
      },
  );
}

const setsOf = (answer: ScriptedAnswer): readonly (readonly string[])[] =>
  'sequence' in answer ? answer.sequence : [answer];

/** A host name as the guard asks for it, from any way of writing it. */
export function hostKey(host: string): string {
  return (parseUrl(`http://${host}/`)?.hostname ?? host.toLowerCase()).replace(/\.$/, '');
}
