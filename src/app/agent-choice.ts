import type { ChannelModule } from '../channels/module.ts';
import type { Config } from '../config/schema.ts';
import type { InboundEvent } from '../core/event.ts';
import { type Candidate, type Choice, choose } from '../workers/agents/choose.ts';
import { builtInOf } from '../workers/agents/settings.ts';

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
 * Whether anybody answers an event, for the ingress: what nobody answers is ignored before it is claimed. Undefined when
 * somebody answers every event, so that nothing is asked. What cannot be decided is left to the worker, which says why.
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
