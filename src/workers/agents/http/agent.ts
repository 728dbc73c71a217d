import { callbackStep } from '../../../core/callback-run.ts';
import type { Clock } from '../../../core/clock.ts';
import { SallyportError } from '../../../core/errors.ts';
import { noUsage } from '../../../core/event.ts';
import { type HttpAnswer, reportedUsage, storedAnswer } from '../../../core/http-answer.ts';
import type { Meter } from '../../../core/meter.ts';
import type { GuardedFetch, GuardedResponse } from '../../../net/guarded-fetch.ts';
import type { Scrub } from '../../../scrub/scrub.ts';
import type { Agent, AgentContext, AgentOutcome, Task } from '../../agent.ts';
import type { Held } from '../../budget/budget.ts';
import { isUnserved, readAnswer, requestError } from './answer.ts';
import { readCallback, readProgress } from './progress.ts';
import { signRequest } from './request.ts';
import type { HttpAgentSettings } from './settings.ts';

export interface HttpAgentDeps {
  /** Guarded, with the host and port of `url` and nothing else on its allow-list, and `timeoutMs` as its deadline. */
  readonly fetch: GuardedFetch;
  readonly scrub: Scrub;
  readonly meter: Meter;
  readonly clock: Clock;
}

/** Between the end of the agent's time and the end of its reservation, in ms: for the attempt that settles it. */
const SETTLING_MS = 60_000;

/**
 * Somebody else's program, asked by a signed request and answering in the response or by callback. A run reserves a fixed
 * amount, all of which is spent unless the agent says that it was less.
 */
export function createHttpAgent(settings: HttpAgentSettings, deps: HttpAgentDeps): Agent {
  const { name } = settings;
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
      if (progress === null) return ask({ task, context, step, awaited }, settings, deps);
      const delayMs = progress.until - deps.clock();
      if (delayMs <= 0) {
        await kept?.settle({});
        throw new SallyportError('ERR_CALLBACK_OVERDUE', 'the http agent did not call back in time');
      }
      kept?.keep();
      return { kind: 'wait', awaited, delayMs };
    },
  };
}

interface Asking {
  readonly task: Task;
  readonly context: AgentContext;
  /** Of the journal, for the request and for its callback. */
  readonly step: string;
  readonly awaited: string;
}

async function ask(asking: Asking, settings: HttpAgentSettings, deps: HttpAgentDeps): Promise<AgentOutcome> {
  const { task, context, step, awaited } = asking;
  const { timeoutMs, callbackTimeoutMs, reserve } = settings;
  const held = await context.budget.reserve(reserve, timeoutMs + callbackTimeoutMs + SETTLING_MS);
  const response = await post(task, context, held, settings, deps);
  try {
    const answered = readAnswer(response, deps.clock());
    if (answered.kind === 'later') {
      const until = deps.clock() + callbackTimeoutMs;
      await context.steps.record(step, { kind: 'result', value: { state: 'asked', until, kept: held.keep() } });
      return { kind: 'wait', awaited, delayMs: callbackTimeoutMs };
    }
    const answer = cleaned(answered.answer, deps);
    await context.steps.record(step, { kind: 'result', value: { state: 'answered', answer: storedAnswer(answer) } });
    await held.settle(reportedUsage(answer));
    return outcomeOf(answer);
  } catch (error) {
    await held.settle(isUnserved(response) ? noUsage : {});
    throw error;
  }
}

async function post(
  task: Task,
  { signal }: AgentContext,
  held: Held,
  settings: HttpAgentSettings,
  { fetch, clock }: HttpAgentDeps,
): Promise<GuardedResponse> {
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
}

/** Before it is stored: the agent may repeat what it should never have seen. */
function cleaned(answer: HttpAnswer, { scrub, meter }: HttpAgentDeps): HttpAnswer {
  const { value, findings } = scrub(answer);
  for (const { rule, count } of findings) meter.scrubbed(rule, count);
  return value;
}

function outcomeOf({ reply, review }: HttpAnswer): AgentOutcome {
  if (reply === undefined || reply.text.trim() === '') return { kind: 'silent' };
  return { kind: 'reply', text: reply.text, ...(review === true ? { review } : {}) };
}
