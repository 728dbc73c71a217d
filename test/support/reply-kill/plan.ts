/** Where a run is when its worker is killed, in the order of a run; the last is no kill but an answer that never came. */
export const points = [
  'before_lease',
  'after_lease',
  'after_model',
  'after_journal',
  'before_intent',
  'after_intent',
  'during_call',
  'after_response',
  'after_result',
  'after_finish',
  'during_parts',
  'during_shutdown',
  'lost_response',
] as const;
export type Point = (typeof points)[number];

export const vendors = ['slack', 'graph', 'teams', 'gmail'] as const;
export type Vendor = (typeof vendors)[number];

/** A conversation with one message, and where the run of it is to be stopped. */
export interface Target {
  /** The message's text, which the reply repeats. */
  readonly name: string;
  readonly point: Point;
  readonly vendor: Vendor;
  readonly eventId: string;
  readonly conversation: string;
  /** Of a reply in several messages: which of them, and what of it, is stopped. */
  readonly part: { readonly step: string; readonly at: 'intent' | 'call' | 'result' };
}

export type StoreAt = { readonly url: string; readonly prefix: string } | { readonly path: string };

/** What one worker process is to do. */
export interface WorkerPlan {
  readonly stores: readonly StoreAt[];
  /** Empty for a worker that nobody stops. */
  readonly targets: readonly Target[];
  readonly seed: number;
  readonly urls: Readonly<Record<'slack' | 'graph' | 'teams' | 'teamsToken' | 'gmail', string>>;
  readonly graph: { readonly tenantId: string; readonly clientId: string; readonly clientSecret: string };
  /** The file facts are written to, one a line. */
  readonly history: string;
}

/** `at`: the run of that name has reached its point. `asked`: the agent ran. */
export interface Fact {
  readonly what: 'asked' | 'hangs' | 'at';
  readonly name: string;
}

export const SEAL_KEY = new Uint8Array(32).fill(7);

/** Short, so that what a dead worker had is taken over soon, in ms. */
export const LEASE_MS = 2_000;

/** A call that takes longer is over, so a busy machine must not come near it, in ms. */
export const REPLY_TIMEOUT_MS = 8_000;

/** Three messages in Slack and in Teams. */
const PARAGRAPHS: Readonly<Record<Vendor, number>> = { slack: 14, graph: 14, teams: 40, gmail: 14 };

/** What the agent says, other words each time it is asked. */
export function replyTo({ name, point, vendor }: Target, nonce: string): string {
  if (point !== 'during_parts') return `re ${name} ${nonce}`;
  const count = PARAGRAPHS[vendor];
  return Array.from({ length: count }, (_, n) => `re ${name} ${nonce} p${n} ${'word '.repeat(130)}end`).join('\n\n');
}
