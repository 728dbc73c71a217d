import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { nodeCrypto } from '../src/core/crypto/crypto.node.ts';
import { createScrubber } from '../src/scrub/scrubber.ts';
import { median } from './median.ts';

// What `bench/scrub.ts` measures; bundled, because the scrubber is shipped so and runs a third faster than unbundled.
const scrub = createScrubber({ crypto: nodeCrypto, key: new Uint8Array(32).fill(7) });

/** Processor time of this process in microseconds: on a shared machine it says more than the clock. */
const processorTime = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/**
 * Microseconds of processor time and of the clock for one call, medians of seven rounds of about 50 ms. Two forms of a
 * text take turns: the scrubber remembers the last clean one.
 */
function measure(value: unknown): { processor: number; clock: number } {
  const other = typeof value === 'string' ? `${value.slice(0, -1)}~` : value;
  const startedAt = performance.now();
  let calls = 0;
  while (performance.now() - startedAt < 100 || calls < 4) {
    scrub(calls % 2 === 0 ? value : other);
    calls += 1;
  }
  const perRound = 2 * Math.max(1, Math.floor((calls * 25) / (performance.now() - startedAt)));
  const rounds = Array.from({ length: 7 }, () => {
    const [processor, clock] = [processorTime(), performance.now()];
    for (let call = 0; call < perRound; call += 1) scrub(call % 2 === 0 ? value : other);
    return {
      processor: (processorTime() - processor) / perRound,
      clock: ((performance.now() - clock) * 1000) / perRound,
    };
  });
  return {
    processor: median(rounds.map(({ processor }) => processor)),
    clock: median(rounds.map(({ clock }) => clock)),
  };
}

const CHAT = [
  'please have a look at the figures of last week, the third column seems off by one since Tuesday.',
  'thanks! I restarted the worker and the queue is draining again, about 300 jobs left :tada:',
  'see https://github.com/example/project/pull/4711 for the discussion, and ping @maria when it is merged',
  'Meeting moved to 14:30, same room. Agenda: 1) release 2.4.0, 2) on-call, 3) the login page (is it still slow?)',
  'error: connection reset by peer (attempt 3 of 5), retrying in 800 ms -- started 2030-01-02T10:20:30Z',
];
/** Assembled here, so that this file holds no secret. */
const token = ['gh', 'p_', 'aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5'].join('');
const FEW_SECRETS = [...Array.from({ length: 10 }, () => CHAT).flat(), `the key is ${token} as far as I know`];
const WITH_SECRETS = [...CHAT, ...CHAT, `my token is ${token}, and DB_PASSWORD=Summer2030! as before`];

function text(sentences: readonly string[], bytes: number): string {
  const all = sentences.join('\n');
  return all.repeat(Math.ceil(bytes / all.length)).slice(0, bytes);
}

const row = (what: string, bytes: number, value: unknown): string[] => {
  const { processor, clock } = measure(value);
  return [what, String(bytes), processor.toFixed(1), clock.toFixed(1), (bytes / processor).toFixed(1)];
};

const sizes = [128, 2_048, 16_384, 131_072, 1_048_576];
const event = {
  id: '0192f3a1-7c1e-7d42-9c55-3a1b2c3d4e5f',
  ...{
    tenant: 'default',
    channel: 'slack',
    kind: 'message',
    conversation: 'C024BE91L:1900000000.000100',
    locale: 'en-US',
  },
  ...{ user: 'U024BE7LH', team: 'T024BE7LD', ts: '1900000000.000100', thread: null, retry: 0, isMention: true },
  text: CHAT[0],
  files: [],
  blocks: [{ type: 'section', text: { type: 'mrkdwn', text: 'hello there' } }],
};
const withRepeats = {
  ...event,
  text: 'the password is Blue-Harbor-42x as before',
  blocks: [
    {
      type: 'rich_text',
      elements: [
        { type: 'text', text: 'it is ' },
        { type: 'text', text: 'Blue-Harbor-42x' },
      ],
    },
  ],
};
const measureSpeed = (): string[][] => [
  ...sizes.map((bytes) => row('chat without secrets', bytes, text(CHAT, bytes))),
  ...sizes.map((bytes) => row('one sentence in fifty with a secret', bytes, text(FEW_SECRETS, bytes))),
  ...sizes.map((bytes) => row('one sentence in eleven with two secrets', bytes, text(WITH_SECRETS, bytes))),
  row('an event of 15 fields', JSON.stringify(event).length, event),
  row('the same with a password in two of them', JSON.stringify(withRepeats).length, withRepeats),
];

const MADE_TO_BE_SLOW = [
  'a',
  ' ',
  'password=',
  'token="',
  'pw: ',
  'eyJ-',
  '密码是=',
  'pw=a1b2c3;',
  'accountkey= ',
  'ａ',
  'basic%20-',
  'ghp_',
  '://a:b@',
  '%41',
  '&#65;',
  '\\u0041',
  'QUFB',
  '{"a":',
];
const MEBIBYTE = 1_048_576;
const generated = (n: number): string => `aB3${(n * 2_654_435_761).toString(36)}xK9`;
/** A Latin-1 text of so many characters in base64, in lines of 76, as mail carries it. */
function wrappedLatin1(chars: number): string {
  const bytes = Buffer.from('Grüße aus München, the report for Señor Ångström is ready and sent.\r\n', 'latin1');
  const content = Buffer.alloc(57 * Math.floor(chars / 78), bytes);
  return content.toString('base64').replace(/.{76}/g, '$&\r\n');
}

/** Base64 of base64, four deep, of Latin-1, each level wrapped and cut where no byte ends. */
function nestedLatin1(chars: number): string {
  let text = wrappedLatin1(Math.floor(chars * 0.73 ** 3));
  for (let level = 0; level < 3; level += 1) {
    text = Buffer.from(text).toString('base64').slice(0, -1).replace(/.{76}/g, '$&\r\n');
  }
  return text;
}

/** Other things that are known to be slow. */
const SLOW_OTHERS: Readonly<Record<string, string>> = {
  '130 KiB of Latin-1 in lines of base64': wrappedLatin1(130 * 1024),
  '260 KiB of Latin-1 in lines of base64': wrappedLatin1(260 * 1024),
  '519 KiB of Latin-1 in lines of base64': wrappedLatin1(519 * 1024),
  '380 KiB of Latin-1 in base64, four deep': nestedLatin1(380 * 1024),
  '`eyJ-` over and over, ended by a point': `${'eyJ-'.repeat(MEBIBYTE / 4 - 1)}.a`,
  'passwords in 20,000 blocks of base64': Array.from({ length: 20_000 }, (_, n) =>
    Buffer.from(`password=${generated(n)} and more ${n}`).toString('base64'),
  ).join(' '),
};

/** About a mebibyte of each. */
const measureSlow = (): string[][] => [
  ...MADE_TO_BE_SLOW.map((unit) =>
    row(`\`${unit}\` over and over`, MEBIBYTE, text([unit], MEBIBYTE).replaceAll('\n', '')),
  ),
  ...Object.entries(SLOW_OTHERS).map(([what, value]) => row(what, value.length, value)),
];

interface Case {
  readonly text: string;
  /** Null in texts that hold none. */
  readonly secret: string | null;
  readonly tier: string;
}

/** `path`: gzip, JSON `{ cases: [{ text, secret, tier }] }`. */
function measureCorpus(path: string): string[][] {
  const { cases } = JSON.parse(gunzipSync(readFileSync(path)).toString('utf8')) as { cases: readonly Case[] };
  const tiers = new Map<string, { hidden: number; all: number }>();
  for (const { text: sample, secret, tier } of cases) {
    const { value } = scrub(sample);
    const isHidden = secret === null ? value !== sample : !value.includes(secret);
    const { hidden, all } = tiers.get(tier) ?? { hidden: 0, all: 0 };
    tiers.set(tier, { hidden: hidden + Number(isHidden), all: all + 1 });
  }
  return [...tiers].map(([tier, { hidden, all }]) => [
    tier,
    `${hidden} of ${all}`,
    `${((100 * hidden) / all).toFixed(1)} %`,
  ]);
}

export interface ScrubFigures {
  readonly speed: string[][];
  readonly slow: string[][];
  readonly corpus: string[][];
}

const [corpus] = process.argv.slice(2);
const figures: ScrubFigures = {
  speed: measureSpeed(),
  slow: measureSlow(),
  corpus: corpus === undefined ? [] : measureCorpus(corpus),
};
console.log(JSON.stringify(figures));
