import type { Agent } from '../workers/agent.ts';
import { createAssistant } from '../workers/agents/assistant/assistant.ts';
import { isGuardrail } from '../workers/agents/definition.ts';
import type { Memory } from '../workers/agents/memory/memory.ts';
import type { AgentDefinitionConfig } from '../workers/agents/settings.ts';
import type { Guardrail } from '../workers/guardrails/guardrail.ts';
import type { Guardrails } from '../workers/guardrails/guardrails.ts';
import type { Delegate } from '../workers/tools/delegate.ts';
import { openModels } from './model.node.ts';
import type { Runtime } from './runtime.node.ts';
import { openToolboxes } from './toolbox.node.ts';

/** An agent with a model: one of the configuration, or the built-in assistant. */
export type AssistantSettings = Omit<AgentDefinitionConfig, 'instructions'> & { readonly instructions: string };

/** Makes agents that ask the configured endpoint. @throws SallyportError ERR_CONFIG_INVALID for tools that are none */
export function createAssistants(
  runtime: Runtime,
  memory: Memory,
  guardrailsWith: (own: readonly Guardrail[]) => Guardrails,
): (settings: AssistantSettings) => Agent {
  const { scrub, crypto, config } = runtime;
  const { llm, maxSteps, maxInput } = config.agent;
  const { maxOutputTokens } = llm;
  const modelNamed = openModels(config.agent, runtime.clients);
  const toolboxOf = openToolboxes(runtime);
  const bounds = { maxSteps, maxInput, maxOutputTokens };
  return ({ name, instructions, tools, delegates, budget: limits, review, model, guardrails: given }) => {
    const own = given.filter(isGuardrail);
    const guardrails = guardrailsWith(own);
    const others = config.agents.filter((one) => delegates.includes(one.name));
    const delegateTools = others.flatMap((one) => one.tools);
    const openToolbox = toolboxOf({ agent: name, tools, delegates: delegatesAmong(others), delegateTools, guardrails });
    const parts = { ask: modelNamed(model), openToolbox, memory, guardrails, scrub, random: crypto.random };
    return createAssistant({ name, instructions, limits, review, guardrails: own }, { ...parts, ...bounds });
  };
}

function delegatesAmong(agents: readonly AgentDefinitionConfig[]): ReadonlyMap<string, Delegate> {
  const found = agents.flatMap(({ name, description, instructions, tools, budget }): [string, Delegate][] => {
    if (description === undefined || instructions === undefined) return [];
    const limits = Object.entries(budget).map(([resource, window]) => [resource, window?.run] as const);
    const share = Object.fromEntries(limits.filter(([resource, max]) => resource !== 'seconds' && max !== 'unlimited'));
    const names = tools.map((tool) => (typeof tool === 'string' ? tool : String(Reflect.get(tool, 'name'))));
    return [[name, { description, instructions, tools: names, budget: share }]];
  });
  return new Map(found);
}
