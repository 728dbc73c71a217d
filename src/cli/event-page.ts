import * as z from 'zod';
import { columns, inLine } from './io.ts';

/** Why something failed: its code, and whatever else the gate says of it. */
const failure = z.looseObject({ code: z.string(), remedy: z.string().optional() });

const usage = z.object({
  usdMicros: z.number(),
  inputTokens: z.number(),
  outputTokens: z.number(),
  modelCalls: z.number(),
  toolCalls: z.number(),
});

const run = z.looseObject({
  startedAt: z.string(),
  finishedAt: z.string().nullable(),
  outcome: z.string(),
  usage,
  agent: z.string().optional(),
  reply: z.object({ text: z.string(), state: z.string() }).optional(),
  code: z.string().optional(),
});

/** An event as operators see it. */
export const eventShape = z.object({
  id: z.string(),
  tenant: z.string(),
  channel: z.string(),
  kind: z.string(),
  state: z.string(),
  generation: z.number(),
  receivedAt: z.string(),
  deliveries: z.number(),
  attempts: z.number(),
  conversation: z.string(),
  mentioned: z.boolean().optional(),
  runs: z.array(run),
  failure: failure.optional(),
  erasedAt: z.string().optional(),
});
export type EventView = z.output<typeof eventShape>;
type RunView = z.output<typeof run>;

/** What was asked and by whom, where a review tells it. */
export interface Asked {
  readonly question: string;
  readonly by: string;
}

/** `ERR_REPLY_FAILED (cause: not_in_channel)`: the code, and each further text or number beside it. */
export function failureText({ code, ...more }: Readonly<Record<string, unknown>> & { readonly code: string }): string {
  const facts = Object.entries(more).flatMap(([name, value]) =>
    name !== 'remedy' && (typeof value === 'string' || typeof value === 'number') ? [`${name}: ${value}`] : [],
  );
  return inLine(facts.length === 0 ? code : `${code} (${facts.join(', ')})`);
}

/** Why an attempt failed; null for one that did not. What else an attempt holds is shown beside it. */
export function attemptFailure({ code, cause, status }: Readonly<Record<string, unknown>>): string | null {
  return typeof code === 'string' ? failureText({ code, cause, status }) : null;
}

/** An event for people: who and where, what became of it and why, what it cost, and what to do next. */
export function eventPage(event: EventView, asked: Asked | null): string {
  const {
    channel,
    kind,
    mentioned,
    state,
    conversation,
    generation,
    attempts,
    deliveries,
    runs,
    failure: failed,
  } = event;
  const times = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;
  const reply = runs.findLast((one) => one.reply !== undefined)?.reply;
  const lines = [
    columns([event.id, state]),
    '',
    fact('channel', `${channel} ${kind}${mentioned === true ? ', mentioned' : ''}`),
    fact('tenant', event.tenant),
    fact('conversation', conversation),
    fact('received', `${event.receivedAt}, ${times(deliveries, 'delivery').replace('deliverys', 'deliveries')}`),
    ...(event.erasedAt === undefined ? [] : [fact('erased', event.erasedAt)]),
    ...(asked === null ? [] : [fact('asked by', asked.by)]),
    fact('attempts', `${attempts}${generation === 1 ? '' : ` in generation ${generation}`}`),
    ...runs.map(runLine),
    fact('cost', costOf(runs)),
    ...(failed === undefined ? [] : [fact('failure', failureText(failed))]),
    ...nextSteps(event).map((step, index) => fact(index === 0 ? 'next' : '', step)),
    ...(asked === null ? [] : ['', 'asked:', ...quoted(asked.question)]),
    ...(reply === undefined ? [] : ['', `reply (${inLine(reply.state)}):`, ...quoted(reply.text)]),
  ];
  return lines.join('\n');
}

const fact = (name: string, text: string): string => `  ${name.padEnd(14)}${inLine(text)}`;

/** Marked line by line: what others wrote cannot look like a line of the page. */
const quoted = (text: string): string[] => text.split('\n').map((line) => `> ${line}`);

function runLine(one: RunView, index: number): string {
  const { startedAt, finishedAt, outcome, agent } = one;
  const seconds =
    finishedAt === null ? 'runs' : `${((Date.parse(finishedAt) - Date.parse(startedAt)) / 1_000).toFixed(1)} s`;
  return fact(
    '',
    [`${index + 1}.`, startedAt, seconds, outcome, agent ?? '', attemptFailure(one) ?? ''].filter(Boolean).join('  '),
  );
}

function costOf(runs: readonly RunView[]): string {
  const sum = (name: keyof z.output<typeof usage>): number => runs.reduce((total, one) => total + one.usage[name], 0);
  const tokens = `${sum('inputTokens')} tokens in, ${sum('outputTokens')} out`;
  return `$${(sum('usdMicros') / 1e6).toFixed(6)}, ${tokens}, ${sum('modelCalls')} model and ${sum('toolCalls')} tool calls`;
}

/** What a person can do about an event in its state. */
export function nextSteps({ id, state, failure: failed }: Pick<EventView, 'id' | 'state' | 'failure'>): string[] {
  switch (state) {
    case 'queued':
      return ['it waits for a worker; `sallyport doctor` says whether one runs'];
    case 'waiting':
      return ['none: it is tried again, or waits for an answer'];
    case 'review':
      return [`sallyport reviews show ${id}`];
    case 'parked': {
      const remedy = failed?.remedy === undefined ? [] : [failed.remedy];
      const isUnsettled = failed?.code === 'ERR_AMBIGUOUS_EFFECT';
      const command = isUnsettled
        ? `sallyport events resolve ${id} --effect reply --outcome <delivered|not_delivered>`
        : `sallyport events redrive ${id}`;
      return [...remedy, command];
    }
    default:
      return [];
  }
}
