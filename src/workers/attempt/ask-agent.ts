import type { ParsedEvent, Read, ReadContent, Reader } from '../../channels/channel.ts';
import { defined } from '../../core/defined.ts';
import { SallyportError } from '../../core/errors.ts';
import {
  type Author,
  type ChannelName,
  type EventRecord,
  type InboundEvent,
  noUsage,
  type Usage,
} from '../../core/event.ts';
import { identifiersOf } from '../../core/identity.ts';
import { linkSignals } from '../../core/linked-signal.ts';
import { capRecord, capText, type RecordLimits } from '../../core/text/cap.ts';
import { inTrace, noSpan, type Span } from '../../core/tracer.ts';
import type { Inbox } from '../../queue/inbox.ts';
import { ASKER_STEP } from '../../queue/journal.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import type { Agent, AgentContext, AgentOutcome, Task } from '../agent.ts';
import { noteTurn } from '../agents/memory/memory.ts';
import { noteBudget, outgoing, type Trail } from '../audit-trail.ts';
import type { OpenBudget, Spending } from '../budget/run-budget.ts';
import type { Guardrail } from '../guardrails/guardrail.ts';
import { type Guardrails, guardText } from '../guardrails/guardrails.ts';
import type { Steps } from '../steps.ts';

export type Answered = {
  readonly usage: Usage;
  /** The agent that was asked. */
  readonly agent?: string;
  /** Whoever asked, as the channel's reader knows them. */
  readonly requester?: Author;
  readonly isApproved?: true;
} & (
  | AgentOutcome
  | { readonly kind: 'ignored' }
  /** The agent ran and failed, or was stopped: what it used is spent. */
  | { readonly kind: 'failed'; readonly error: unknown }
);

/** What the channel reads before the agent is asked, in ms: pages of a mailbox at most. */
const READ_MS = 120_000;

/**
 * Has the channel read what there is to read, counts the run and asks the agent that matches.
 * @throws what the reader threw
 */
export async function askAgent(
  {
    record,
    steps,
    trail,
    signal,
    span,
  }: {
    readonly record: EventRecord;
    readonly steps: Steps;
    readonly trail: Trail;
    /** The lease's and the shutdown's. */
    readonly signal: AbortSignal;
    /** Of the attempt. */
    readonly span: Span;
  },
  {
    agentFor,
    reader,
    openBudget,
    guardrailsWith,
    inbox,
    prepare,
    scrub,
  }: {
    /** Who answers an event; null when nobody does. @throws SallyportError ERR_AGENT_FAILED */
    readonly agentFor: (event: InboundEvent) => Agent | null;
    readonly reader: (tenant: string, channel: ChannelName) => Reader | null;
    /** @throws SallyportError ERR_BUDGET_EXHAUSTED, ERR_KILLED, ERR_STORE_UNAVAILABLE */
    readonly openBudget: (spending: Spending) => Promise<OpenBudget>;
    /** An agent's own checks and then those that every agent passes. */
    readonly guardrailsWith: (own: readonly Guardrail[]) => Guardrails;
    readonly inbox: Inbox;
    /** Cleans and seals what a reader found; the same step deliveries pass. */
    readonly prepare: (events: readonly ParsedEvent[]) => readonly InboundEvent[];
    readonly scrub: Scrub;
  },
): Promise<Answered> {
  const { tenant, channel } = record.event;
  const reading = linkSignals([signal], { ms: READ_MS });
  const preparing = prepareTask(record, reading.signal, {
    reader: reader(tenant, channel),
    scrub,
    inbox,
    prepare,
    span,
  });
  const prepared: PreparedTask = await preparing.finally(reading.release);
  if (prepared.kind === 'ignored') return { kind: 'ignored', usage: noUsage };
  if (prepared.kind === 'handled') return { kind: 'silent', usage: noUsage };
  const { event } = prepared;
  const agent = agentFor(event);
  if (agent === null) return { kind: 'ignored', usage: noUsage };
  await noteAsker(record.event, event, steps);

  const asked = { agent: agent.name, requester: event.author };
  let budget: OpenBudget;
  try {
    budget = await openBudget({ record, event, isFree: agent.isFree ?? false, limits: agent.limits });
  } catch (error) {
    noteBudget('budget.refused', error, trail);
    return { kind: 'failed', error, usage: noUsage, ...asked };
  }
  const linked = linkSignals([signal, budget.run.signal]);
  const context = { signal: linked.signal, budget: budget.run, steps, trail };
  const task: Task = { event, generation: record.generation, attempt: record.attempts };
  const work = async (): Promise<AgentOutcome> => {
    const outcome = await span.part('agent', { agent: agent.name }, async (part) => {
      const answered = checkOutcome(agent.name, await agent.run(task, context));
      part.note({ outcome: answered.kind });
      return answered;
    });
    if (outcome.kind !== 'reply') return outcome;
    const reply = await finishReply(outcome, agent, event, context, { scrub, guardrailsWith });
    if (agent.remembers) await noteTurn(event, steps);
    return reply;
  };
  try {
    const answer = await untilAborted(work(), linked.signal).catch((error: unknown) => {
      if (budget.stopped !== undefined) noteBudget('budget.exhausted', budget.stopped, trail);
      return { kind: 'failed', error: budget.stopped ?? agentError(error) } as const;
    });
    await budget.close();
    return { ...answer, usage: budget.run.usage, ...asked };
  } finally {
    linked.release();
  }
}

/**
 * What an agent of the file returns has been checked by no compiler: JavaScript, a cast, a model's answer passed on.
 * @throws SallyportError ERR_AGENT_RESULT_INVALID
 */
function checkOutcome(agent: string, outcome: unknown): AgentOutcome {
  const { kind, text, awaited, delayMs } = Object(outcome) as Readonly<Record<string, unknown>>;
  if (kind === 'silent') return outcome as AgentOutcome;
  if (kind === 'reply' && typeof text === 'string') return outcome as AgentOutcome;
  if (kind === 'wait' && typeof awaited === 'string' && typeof delayMs === 'number') return outcome as AgentOutcome;
  const reason = kind === 'reply' ? 'text-not-a-string' : kind === 'wait' ? 'wait-incomplete' : 'not-an-outcome';
  throw new SallyportError('ERR_AGENT_RESULT_INVALID', `${RESULTS[reason]}, from run() of the agent ${agent}`, {
    reason,
  });
}

const RESULTS = {
  'text-not-a-string': 'the text of a reply must be a string',
  'wait-incomplete': 'a wait must name the step it awaits and delayMs',
  'not-an-outcome': "the result must be { kind: 'reply', text }, { kind: 'silent' } or { kind: 'wait', … }",
} as const;

/**
 * Notes who wrote an event whose delivery does not say so, before anything is kept of what they wrote: it could not be
 * erased otherwise.
 */
async function noteAsker(delivered: InboundEvent, { author }: InboundEvent, steps: Steps): Promise<void> {
  const { id, kind } = author;
  if (kind !== 'user' || id === delivered.author.id || steps.earlier(ASKER_STEP) !== undefined) return;
  await steps.record(ASKER_STEP, { kind: 'result', value: { id, kind } });
}

const agentError = (error: unknown): SallyportError =>
  error instanceof SallyportError
    ? error
    : new SallyportError('ERR_AGENT_FAILED', 'the agent failed', { cause: error });

/** An agent that never settles must not hold its worker; it keeps running unseen, without a lease to act under. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new SallyportError('ERR_AGENT_FAILED', 'the run was aborted'));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

type Reply = Extract<AgentOutcome, { kind: 'reply' }>;

/**
 * What becomes of a reply before anybody sees it: secrets out, then the guardrails, then whether a person looks at it.
 * Scrubbed first, because a guardrail may be a service of somebody else.
 * @throws SallyportError ERR_GUARDRAIL_BLOCKED, ERR_GUARDRAIL_UNAVAILABLE; what the agent's own `review` throws
 */
async function finishReply(
  reply: Reply,
  agent: Agent,
  event: InboundEvent,
  { signal, trail }: Pick<AgentContext, 'signal' | 'trail'>,
  {
    scrub,
    guardrailsWith,
  }: {
    readonly scrub: Scrub;
    readonly guardrailsWith: (own: readonly Guardrail[]) => Guardrails;
  },
): Promise<Reply> {
  const { name, instructions, guardrails = [], review = false } = agent;
  const text = await guardText(guardrailsWith(guardrails), {
    stage: 'output',
    tenant: event.tenant,
    agent: name,
    text: outgoing(reply.text, scrub, trail),
    signal,
    trail,
    ...defined({ instructions }),
  });
  const needsPerson = reply.review === true || (typeof review === 'function' ? review({ text }, event) : review);
  return { kind: 'reply', text, ...(needsPerson && { review: true }) };
}

type PreparedTask = { readonly kind: 'task'; readonly event: InboundEvent } | Exclude<Read, { readonly kind: 'task' }>;

/**
 * What a worker reads is as large as a vendor's answer may be (8 MiB of Graph, 32 MiB of Gmail). 256 Ki characters of one
 * text are beyond what any model reads; scrubbing a mebibyte takes tenths of a second at worst.
 */
const LIMITS: RecordLimits = { textChars: 256 * 1024, recordChars: 1024 * 1024 };

/** Has the channel read what the event points at, and scrubs what it brings before anybody else sees it. */
export async function prepareTask(
  { event, eligibleAt }: EventRecord,
  signal: AbortSignal,
  {
    reader,
    scrub,
    inbox,
    prepare,
    span = noSpan,
  }: {
    /** Null for channels whose deliveries hold all there is to know. */
    readonly reader: Reader | null;
    readonly scrub: Scrub;
    readonly inbox: Inbox;
    /** Cleans and seals events; the same step deliveries pass. */
    readonly prepare: (events: readonly ParsedEvent[]) => readonly InboundEvent[];
    /** Whose trace the found events go on with. */
    readonly span?: Span;
  },
): Promise<PreparedTask> {
  if (reader === null) return { kind: 'task', event };
  const read = await reader.read(event, { signal, eligibleAt, accept: createAcceptFound({ inbox, prepare, span }) });
  if (read.kind !== 'task') return read;
  const identifiers = [...identifiersOf(event), ...identifiersOf(read.content)];
  const { value } = scrub(capped(read.content), { identifiers });
  return { kind: 'task', event: { ...event, ...value } };
}

/** Longer names are no names. */
const MAX_NAME_CHARS = 256;
/** An agent is told of so many attachments. */
const MAX_ATTACHMENTS = 20;

/** Ids stay whole. */
const capped = (content: Partial<ReadContent>): Partial<ReadContent> => ({
  ...content,
  ...(content.text !== undefined && { text: capText(content.text, LIMITS.textChars) }),
  ...(content.payload !== undefined && { payload: capRecord(content.payload, LIMITS) }),
  ...(content.authorName !== undefined && { authorName: content.authorName.slice(0, MAX_NAME_CHARS) }),
  ...(content.attachments !== undefined && {
    attachments: content.attachments.slice(0, MAX_ATTACHMENTS).map(({ name, type, text, ...rest }) => ({
      ...rest,
      name: name.slice(0, MAX_NAME_CHARS),
      type: type.slice(0, MAX_NAME_CHARS),
      ...(text !== undefined && { text: capText(text, LIMITS.textChars) }),
    })),
  }),
});

/** Accepts what a reader or the keeper found at a vendor. @throws SallyportError ERR_QUEUE_FULL, ERR_STORE_UNAVAILABLE */
export const createAcceptFound =
  ({
    inbox,
    prepare,
    span = noSpan,
  }: {
    readonly inbox: Inbox;
    /** Cleans and seals events; the same step deliveries pass. */
    readonly prepare: (events: readonly ParsedEvent[]) => readonly InboundEvent[];
    /** Whose trace the events go on with. Absent: their runs begin traces of their own. */
    readonly span?: Span;
  }) =>
  async (found: readonly ParsedEvent[]): Promise<void> => {
    const outcomes = await inbox.accept(inTrace(prepare(found), span));
    if (outcomes.some(({ outcome }) => outcome === 'full' || outcome === 'limited')) {
      throw new SallyportError('ERR_QUEUE_FULL', 'too many events of this tenant are waiting, or came lately');
    }
  };
