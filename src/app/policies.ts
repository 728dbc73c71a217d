import type { ChannelModule } from '../channels/module.ts';
import type { Config } from '../config/schema.ts';
import type { InboundEvent } from '../core/event.ts';
import type { Identifier } from '../core/identity.ts';
import type { ReviewPolicy } from '../core/review.ts';
import { type Candidate, type Choice, choose } from '../workers/agents/definition.ts';
import { builtInOf } from '../workers/agents/settings.ts';
import type { BudgetPolicy } from '../workers/budget/budget.ts';
import type { ReviewDeps } from '../workers/review/hold-reply.ts';

/** Who may answer, as the configuration lists them; the built-in agent is the last resort. */
export function agentChoice({ agent, agents, tenants }: Config): Choice<Candidate> {
  const builtIn = builtInOf(agent, agents);
  const allowed = new Map(
    Object.entries(tenants).map(([tenant, { agents: names }]) => [tenant, names === undefined ? null : new Set(names)]),
  );
  return {
    candidates: builtIn === null ? agents : [...agents, { name: builtIn }],
    allowed: (tenant) => allowed.get(tenant) ?? null,
  };
}

/**
 * Whether an agent answers an event, for the ingress: an event without one is ignored before it is claimed. Undefined when
 * an agent answers every event. What the ingress cannot decide is left to the worker, which logs the reason.
 */
export function relevanceOf(
  config: Config,
  modules: readonly ChannelModule[],
): ((event: InboundEvent) => boolean) | undefined {
  const choice = agentChoice(config);
  const isOpen = Object.keys(config.tenants).every((tenant) => {
    const names = choice.allowed(tenant);
    return choice.candidates.some(({ name, match }) => match === undefined && (names?.has(name) ?? true));
  });
  if (isOpen) return undefined;
  const hints: ReadonlySet<string> = new Set(modules.filter(({ isHint }) => isHint).map(({ name }) => name));
  return (event) => {
    if (hints.has(event.channel)) return true;
    try {
      return choose(event, choice) !== null;
    } catch {
      return true;
    }
  };
}

/** The budget of a tenant that is not configured: nothing. */
const nothing: BudgetPolicy = { onExhausted: 'park', limits: { tenant: { usdMicros: { day: 0 }, runs: { day: 0 } } } };

/** What the configuration allows a tenant. */
export const configuredPolicy =
  ({ tenants, budget }: Config) =>
  (tenant: string): BudgetPolicy => {
    const { onExhausted, limits } = tenants[tenant]?.budget ?? nothing;
    return { onExhausted, limits: { ...limits, ...budget } };
  };

/** Of an unknown tenant: every reply is held, and there is no approver. */
const DENY_ALL: ReviewPolicy = { replies: 'always', expires: 1, approvers: [] };

/** Which replies of a tenant wait for a person. */
export const configuredReview =
  ({ tenants }: Config) =>
  (tenant: string): ReviewPolicy =>
    tenants[tenant]?.review ?? DENY_ALL;

/** What is shown with a tenant's replies that a model wrote; null: nothing. */
export const configuredDisclosure =
  ({ tenants, disclosure }: Config) =>
  (tenant: string): string | null => {
    const text = tenants[tenant]?.disclosure ?? disclosure;
    return text === 'off' ? null : text;
  };

/** What holding a reply takes. */
export const reviewing = ({
  config,
  identifier,
}: {
  readonly config: Config;
  readonly identifier: Identifier;
}): Pick<ReviewDeps, 'identifier' | 'reviewPolicy'> => ({
  identifier,
  reviewPolicy: configuredReview(config),
});
