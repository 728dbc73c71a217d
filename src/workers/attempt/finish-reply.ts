import type { InboundEvent } from '../../core/event.ts';
import type { Meter } from '../../core/meter.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import type { Agent, AgentContext, AgentOutcome } from '../agent.ts';
import { noteLeak } from '../audit-trail.ts';
import { guardText } from '../guardrails/guard-text.ts';
import type { Guardrail } from '../guardrails/guardrail.ts';
import type { Guardrails } from '../guardrails/guardrails.ts';

export interface FinishDeps {
  readonly scrub: Scrub;
  readonly meter: Meter;
  /** An agent's own checks and then those that every agent passes. */
  readonly guardrailsWith: (own: readonly Guardrail[]) => Guardrails;
}

type Reply = Extract<AgentOutcome, { kind: 'reply' }>;

/**
 * What becomes of a reply before anybody sees it: secrets out, then the guardrails, then whether a person looks at it.
 * Scrubbed first, because a guardrail may be a service of somebody else.
 * @throws SallyportError ERR_GUARDRAIL_BLOCKED, ERR_GUARDRAIL_UNAVAILABLE; what the agent's own `review` throws
 */
export async function finishReply(
  reply: Reply,
  agent: Agent,
  event: InboundEvent,
  { signal, trail }: Pick<AgentContext, 'signal' | 'trail'>,
  deps: FinishDeps,
): Promise<Reply> {
  const { value, findings } = deps.scrub(reply.text);
  for (const { rule, count } of findings) deps.meter.scrubbed(rule, count);
  noteLeak(findings, trail, {});
  const { name, instructions, guardrails = [], review = false } = agent;
  const text = await guardText(deps.guardrailsWith(guardrails), {
    stage: 'output',
    tenant: event.tenant,
    agent: name,
    text: value,
    signal,
    trail,
    ...(instructions === undefined ? {} : { instructions }),
  });
  const needsPerson = reply.review === true || (typeof review === 'function' ? review({ text }, event) : review);
  return { kind: 'reply', text, ...(needsPerson ? { review: true } : {}) };
}
