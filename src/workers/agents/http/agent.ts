import { Webhook } from 'standardwebhooks';
import * as z from 'zod';
import { callbackRunName, callbackStep } from '../../../core/callback-run.ts';
import type { Clock } from '../../../core/clock.ts';
import { defined } from '../../../core/defined.ts';
import { type ErrorCode, SallyportError } from '../../../core/errors.ts';
import { type InboundEvent, noUsage, type Usage } from '../../../core/event.ts';
import { type HttpAnswer, httpAnswerSchema, reportedUsage, storedAnswer } from '../../../core/http-answer.ts';
import type { JsonValue } from '../../../core/json/json-text.ts';
import { trimEndOf } from '../../../core/text/cap.ts';
import { provesRefusal } from '../../../net/call-outcome.ts';
import { OutboundError } from '../../../net/guard/reasons.ts';
import type { GuardedFetch, GuardedResponse } from '../../../net/guarded-fetch.ts';
import { retryAfterMs } from '../../../net/retry-after.ts';
import type { JournalEntry } from '../../../queue/journal.ts';
import type { Scrub } from '../../../scrub/scrub.ts';
import type { Agent, AgentContext, AgentOutcome, Task } from '../../agent.ts';
import { outgoing } from '../../audit-trail.ts';
import type { Held } from '../../budget/budget.ts';

export interface HttpAgentSettings {
  /** Bounded word for metrics; part of the runs it may call back to. */
  readonly name: string;
  readonly url: string;
  /** The first and its successors: requests carry a signature of each, callbacks may carry any. */
  readonly keys: readonly Uint8Array[];
  /** For its answer to a request, in ms. */
  readonly timeoutMs: number;
  /** For its callback after a 202, in ms. */
  readonly callbackTimeoutMs: number;
  /** What one run may use, reserved before the request. */
  readonly reserve: Usage;
  /** Of this installation; absent: the agent has to know where callbacks go. */
  readonly publicUrl: string | undefined;
}

/** Between the end of the agent's time and the end of its reservation, in ms: for the attempt that settles it. */
const SETTLING_MS = 60_000;

/**
 * Somebody else's program, asked by a signed request and answering in the response or by callback. A run reserves a fixed
 * amount, all of which is spent unless the agent says that it was less.
 */
export function createHttpAgent(
  settings: HttpAgentSettings,
  {
    fetch,
    scrub,
    clock,
  }: {
    /** Guarded, with the host and port of `url` and nothing else on its allow-list, and `timeoutMs` as its deadline. */
    readonly fetch: GuardedFetch;
    readonly scrub: Scrub;
    readonly clock: Clock;
  },
): Agent {
  const { name, timeoutMs, callbackTimeoutMs, reserve } = settings;

  const post = async (task: Task, signal: AbortSignal, held: Held): Promise<GuardedResponse> => {
    let isSent = false;
    const onSending = (): void => {
      isSent = true;
    };
    try {
      return await fetch(settings.url, { method: 'POST', ...signRequest(task, settings, clock()), signal, onSending });
    } catch (error) {
      await held.settle(isSent ? {} : noUsage);
      throw requestError(error);
    }
  };

  /** `step`, `awaited`: of the journal, for the request and for its callback. */
  const ask = async (
    task: Task,
    { budget, steps, signal, trail }: AgentContext,
    step: string,
    awaited: string,
  ): Promise<AgentOutcome> => {
    const held = await budget.reserve(reserve, timeoutMs + callbackTimeoutMs + SETTLING_MS);
    const response = await post(task, signal, held);
    try {
      const answered = readAnswer(response, clock());
      if (answered.kind === 'later') {
        const until = clock() + callbackTimeoutMs;
        await steps.record(step, { kind: 'result', value: { state: 'asked', until, kept: held.keep() } });
        return { kind: 'wait', awaited, delayMs: callbackTimeoutMs };
      }
      // Before it is stored: the agent may repeat what it should never have seen.
      const answer = outgoing(answered.answer, scrub, trail);
      await steps.record(step, { kind: 'result', value: { state: 'answered', answer: storedAnswer(answer) } });
      await held.settle(reportedUsage(answer));
      return outcomeOf(answer);
    } catch (error) {
      await held.settle(isUnserved(response) ? noUsage : {});
      throw error;
    }
  };

  return {
    name,
    async run(task, context) {
      const { generation } = task;
      const step = `http:${name}:${generation}`;
      const awaited = callbackStep({ agent: name, generation });
      const progress = readProgress(context.steps.earlier(step));
      if (progress?.state === 'answered') return outcomeOf(progress.answer);

      const called = readCallback(context.steps.earlier(awaited));
      const kept = progress === null ? null : context.budget.resume(progress.kept);
      if (called !== null) {
        await kept?.settle(reportedUsage(called));
        return outcomeOf(called);
      }
      if (progress === null) return ask(task, context, step, awaited);
      const delayMs = progress.until - clock();
      if (delayMs <= 0) {
        await kept?.settle({});
        throw new SallyportError('ERR_CALLBACK_OVERDUE', 'the http agent did not call back in time');
      }
      kept?.keep();
      return { kind: 'wait', awaited, delayMs };
    },
  };
}

function outcomeOf({ reply, review }: HttpAnswer): AgentOutcome {
  if (reply === undefined || reply.text.trim() === '') return { kind: 'silent' };
  return { kind: 'reply', text: reply.text, ...(review === true && { review }) };
}

/** What the agent made of a request. */
type Answered =
  | { readonly kind: 'answer'; readonly answer: HttpAnswer }
  /** 202: it calls back. */
  | { readonly kind: 'later' };

/** Statuses after which the same request may succeed; every other 4xx will be answered the same again. */
const passing: ReadonlySet<number> = new Set([408, 409, 425, 429]);

/** @throws SallyportError ERR_AGENT_FAILED (try again), ERR_AGENT_REJECTED (somebody has to look) */
function readAnswer(response: GuardedResponse, now: number): Answered {
  const { status } = response;
  if (status === 202) return { kind: 'later' };
  if (status === 204) return { kind: 'answer', answer: {} };
  if (status === 200) return { kind: 'answer', answer: parse(response) };
  if (status >= 500 || passing.has(status)) {
    const waitMs = retryAfterMs(response.headers.get('retry-after'), now);
    const detail = { status, reason: `http_${status}`, ...defined({ retryAfterMs: waitMs }) };
    throw new SallyportError('ERR_AGENT_FAILED', 'the http agent cannot answer now', detail);
  }
  const detail = { status, reason: `http_${status}` };
  throw new SallyportError('ERR_AGENT_REJECTED', 'the http agent does not take the event', detail);
}

function parse(response: GuardedResponse): HttpAnswer {
  try {
    return httpAnswerSchema.parse(response.json());
  } catch {
    // The cause would quote the answer.
    throw new SallyportError('ERR_AGENT_REJECTED', 'the answer of the http agent is not valid', {
      reason: 'invalid-answer',
    });
  }
}

/** What a request that got no answer ends in. @returns what it was given when that is not about the request */
function requestError(error: unknown): unknown {
  if (!(error instanceof OutboundError)) return error;
  switch (error.code) {
    case 'ERR_OUTBOUND_TIMEOUT':
      return failed('ERR_AGENT_TIMEOUT', 'the http agent took too long', error);
    case 'ERR_OUTBOUND_FAILED':
      return failed('ERR_AGENT_FAILED', 'the http agent could not be asked', error);
    case 'ERR_OUTBOUND_TOO_LARGE':
      return failed('ERR_AGENT_REJECTED', 'the answer of the http agent is too large', error);
    default:
      return error;
  }
}

/**
 * Whether a complete answer says that the agent did nothing: it proves a refusal, or it cannot take any now (503).
 * Any other 5xx may come after its work, or from a proxy that does not know what became of the request.
 */
const isUnserved = ({ status }: GuardedResponse): boolean => provesRefusal(status) || status === 503;

const failed = (code: ErrorCode, message: string, cause: OutboundError): SallyportError =>
  new SallyportError(code, message, { cause });

const schema = z.discriminatedUnion('state', [
  /** It said 202. `kept` is the run's reservation (`Held.keep`). */
  z.object({ state: z.literal('asked'), until: z.number(), kept: z.json() }),
  z.object({ state: z.literal('answered'), answer: httpAnswerSchema }),
]);

/** How far the journal says a run got with its agent; `until` is epoch ms. */
type Progress =
  | { readonly state: 'asked'; readonly until: number; readonly kept: JsonValue }
  | { readonly state: 'answered'; readonly answer: HttpAnswer };

/** Null when nothing was recorded, and for what another release recorded: then the agent is asked again. */
const readProgress = (entry: JournalEntry | undefined): Progress | null =>
  entry === undefined ? null : ((schema.safeParse(entry.value).data as Progress | undefined) ?? null);

/** What was called back, if anything was. */
const readCallback = (entry: JournalEntry | undefined): HttpAnswer | null =>
  entry === undefined ? null : (httpAnswerSchema.safeParse(entry.value).data ?? null);

/** Version of the body. Fields may be added to it; it changes when one is removed or means something else. */
const VERSION = 1;

interface SignedRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * The request about an event, signed by Standard Webhooks. Its id and body are the same in every attempt of a
 * generation, so that the agent can tell a repetition; only the time and with it the signature are new.
 */
function signRequest(task: Task, settings: HttpAgentSettings, now: number): SignedRequest {
  const { event, generation } = task;
  // Without a dot: those separate the parts of what is signed.
  const id = `${event.id}-${generation}`;
  const body = JSON.stringify(content(event, generation, settings));
  const at = new Date(now);
  const signatures = settings.keys.map((key) => new Webhook(key, { format: 'raw' }).sign(id, at, body));
  return {
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now / 1000)),
      'webhook-signature': signatures.join(' '),
    },
    body,
  };
}

/** Neither capabilities nor destination nor identity: the agent says what to reply, and the gate knows where. */
function content(event: InboundEvent, generation: number, { name, publicUrl }: HttpAgentSettings) {
  const { id, tenant, channel, kind, conversation, receivedAt, mentioned, author, text, payload } = event;
  const run = callbackRunName({ tenant, agent: name, eventId: id, generation });
  return {
    v: VERSION,
    type: 'event.accepted',
    timestamp: new Date(receivedAt).toISOString(),
    run,
    callbackUrl: publicUrl === undefined ? null : `${trimEndOf(publicUrl, '/')}/callbacks/${run}`,
    event: { id, tenant, channel, kind, conversation, mentioned, author, text, payload },
  };
}
