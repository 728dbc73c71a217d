import type { Agent } from '../workers/agent.ts';
import { choose } from '../workers/agents/choose.ts';
import { isGuardrail } from '../workers/agents/definition.ts';
import { echoAgent } from '../workers/agents/echo.ts';
import { type AgentDefinitionConfig, builtInOf } from '../workers/agents/settings.ts';
import type { RunDeps } from '../workers/run.ts';
import { agentChoice } from './agent-choice.ts';
import { createAssistants } from './assistants.node.ts';
import { guardrailsOf } from './guardrails.node.ts';
import { openBuiltInHttpAgent, openHttpAgent } from './http-agent.node.ts';
import { openMemory } from './memory.node.ts';
import { unpricedModels } from './model.node.ts';
import type { Runtime } from './runtime.node.ts';
import { trustedAgent } from './trusted-agent.node.ts';

/** Who answers events, and what every reply passes. @throws SallyportError ERR_CONFIG_INVALID */
export function openAgents(runtime: Runtime): Pick<RunDeps, 'agentFor' | 'guardrailsWith' | 'memory'> {
  const { config } = runtime;
  const { instructions, tools } = config.agent;
  const memory = openMemory(runtime);
  const guardrailsWith = guardrailsOf(runtime);
  const assistant = createAssistants(runtime, memory, guardrailsWith);
  const bare = { delegates: [], budget: {}, review: false, guardrails: [] };
  const builtIns = {
    echo: () => echoAgent,
    assistant: () => assistant({ ...bare, name: 'assistant', instructions, tools }),
    http: () => openBuiltInHttpAgent(runtime),
  };
  const builtIn = builtInOf(config.agent, config.agents);
  const all = config.agents.map((one) => {
    const { name, http, instructions: told, trusted, run } = one;
    if (trusted !== undefined) return trustedAgent(one, runtime);
    if (told !== undefined) return assistant({ ...one, instructions: told });
    // `defineAgent` types it; whatever else it answers fails the attempt.
    if (http === undefined) return { ...policyOf(one), run: run as Agent['run'] };
    return { ...policyOf(one), run: openHttpAgent({ name, http }, runtime).run };
  });
  if (builtIn !== null) all.push(builtIns[builtIn]());
  const byName = new Map(all.map((one) => [one.name, one]));
  const choice = agentChoice(config);
  void warnOfPrices(runtime);
  return { agentFor: (event) => byName.get(choose(event, choice)?.name ?? '') ?? null, guardrailsWith, memory };
}

/** What holds for an agent whatever it is made of. */
const policyOf = ({ name, budget: limits, review, guardrails }: AgentDefinitionConfig): Omit<Agent, 'run'> => ({
  name,
  limits,
  review,
  guardrails: guardrails.filter(isGuardrail),
});

async function warnOfPrices({ config, log }: Runtime): Promise<void> {
  for (const model of await unpricedModels(config)) {
    log.warn({ model, setting: 'LLM_PRICE_INPUT, LLM_PRICE_OUTPUT' }, 'model.price-unknown');
  }
}
