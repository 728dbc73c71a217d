import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { SallyportError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Clients } from '../net/clients.ts';
import type { Agent } from '../workers/agent.ts';
import { createAssistant, createToolboxes } from '../workers/agents/assistant/assistant.ts';
import { choose, isGuardrail } from '../workers/agents/definition.ts';
import { echoAgent } from '../workers/agents/echo.ts';
import { createHttpAgent } from '../workers/agents/http/agent.ts';
import { httpEndpoints, type NamedEndpoint } from '../workers/agents/http/settings.ts';
import { createMemory, type Memory, startForgetting } from '../workers/agents/memory/memory.ts';
import { type AgentDefinitionConfig, builtInOf } from '../workers/agents/settings.ts';
import type { Guardrail } from '../workers/guardrails/guardrail.ts';
import type { Guardrails } from '../workers/guardrails/guardrails.ts';
import { createLinkHosts } from '../workers/guardrails/links/link-hosts.ts';
import type { RunDeps } from '../workers/run.ts';
import type { Delegate } from '../workers/tools/delegate.ts';
import { createFetchUrl } from '../workers/tools/fetch-url.ts';
import { replyTool } from '../workers/tools/reply.ts';
import type { Tool } from '../workers/tools/tool.ts';
import { createFolders, type Folders, SWEEP_MS } from '../workers/tools/workspace/folders.ts';
import { createWorkspace } from '../workers/tools/workspace/workspace.ts';
import { guardrailsOf } from './guardrails.node.ts';
import { openModels, unpricedModels } from './model.node.ts';
import { agentChoice } from './policies.ts';
import type { Runtime } from './runtime.node.ts';

/**
 * Who answers events, and what every reply passes. `trustedAgents`: those of `loadTrustedAgents`.
 * @throws SallyportError ERR_CONFIG_INVALID
 */
export function openAgents(
  runtime: Runtime,
  trustedAgents: ReadonlyMap<string, Agent>,
): Pick<RunDeps, 'agentFor' | 'guardrailsWith' | 'memory'> {
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
    const { name, http, instructions: told, run } = one;
    const trusted = trustedAgents.get(name);
    if (trusted !== undefined) return trusted;
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
    if (typeof model === 'string')
      log.warn({ model, setting: 'LLM_PRICE_INPUT, LLM_PRICE_OUTPUT' }, 'model.price-unknown');
  }
}

/** An agent with a model: one of the configuration, or the built-in assistant. */
type AssistantSettings = Omit<AgentDefinitionConfig, 'instructions'> & { readonly instructions: string };

/** Makes agents that ask the configured endpoint. @throws SallyportError ERR_CONFIG_INVALID for values that are not tools */
function createAssistants(
  runtime: Runtime,
  memory: Memory,
  guardrailsWith: (own: readonly Guardrail[]) => Guardrails,
): (settings: AssistantSettings) => Agent {
  const { countingScrub: scrub, crypto, config } = runtime;
  const { llm, maxSteps, maxInput, timeZone } = config.agent;
  const { maxOutputTokens } = llm;
  const modelNamed = openModels(config.agent, runtime.clients, runtime.tracing.tracer);
  const toolboxOf = openToolboxes(runtime);
  const bounds = { maxSteps, maxInput, maxOutputTokens, clock: Date.now, timeZone };
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

/** An external program. Its client may reach the host and port of its own URL even where they are private. */
function openHttpAgent({ name, http }: NamedEndpoint, { clients, config, countingScrub: scrub }: Runtime): Agent {
  const { url, secrets: keys, timeout: timeoutMs, callbackTimeout: callbackTimeoutMs, reserve } = http;
  const { request: fetch } = clients.open('agent', [url], { timeoutMs });
  const { publicUrl } = config.server;
  return createHttpAgent(
    { name, url, keys, timeoutMs, callbackTimeoutMs, reserve, publicUrl },
    { fetch, scrub, clock: Date.now },
  );
}

/** The one of the environment. @throws SallyportError ERR_CONFIG_INVALID: none is configured */
function openBuiltInHttpAgent(runtime: Runtime): Agent {
  const builtIn = httpEndpoints(runtime.config).find(({ name }) => name === 'http');
  if (builtIn === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'SALLYPORT_AGENT_URL: is required');
  return openHttpAgent(builtIn, runtime);
}

/** What conversations remember; what is too old goes by itself until the process stops. */
function openMemory({ config, store, identifier, log, drain }: Runtime): Memory {
  const { turns, bytes, age: ageMs } = config.agent.memory;
  const shared = { records: store.records, digest: identifier.digest, clock: Date.now };
  const memory = createMemory({ ...shared, bounds: { turns, bytes, ageMs } });
  const { acquire } = store.lease;
  const forgetting = { memory, tenants: Object.keys(config.tenants), ageMs, acquire, clock: Date.now, logger: log };
  startForgetting(forgetting, drain.signal);
  return memory;
}

/** Toolboxes with the built-in tools, and each tenant's allow-list. */
function openToolboxes({
  clients,
  config,
  countingScrub: scrub,
  metrics,
  log: logger,
  tracing: { tracer },
}: Runtime): ReturnType<typeof createToolboxes> {
  // Public hosts only: the text that a model reads decides which addresses its tools call.
  const { fetch } = clients.openTool();
  const allowed = new Map(
    Object.entries(config.tenants).map(([tenant, { tools }]) => [tenant, tools === undefined ? null : new Set(tools)]),
  );
  const workspace = openWorkspace(config, logger);
  const fetchUrlOf = fetchUrlTools(config, clients);
  return createToolboxes({
    builtIn: (agent) => [fetchUrlOf(agent), replyTool as Tool, ...workspace],
    allowedBy: (tenant) => allowed.get(tenant) ?? null,
    fetch,
    scrub,
    meter: metrics.meter,
    logger,
    tracer,
  });
}

/** `fetch_url` as each agent has it: with a client of its own, which asks the hosts listed for it or, without a list, every public one. */
export function fetchUrlTools(
  { agents, tools }: Pick<Config, 'agents' | 'tools'>,
  clients: Clients,
): (agent: string) => Tool {
  const made = new Map<string, Tool>();
  return (agent) => {
    const tool =
      made.get(agent) ?? openFetchUrl(agents.find(({ name }) => name === agent)?.fetchUrl ?? tools.fetchUrl, clients);
    made.set(agent, tool);
    return tool;
  };
}

function openFetchUrl({ hosts }: Config['tools']['fetchUrl'], clients: Clients): Tool {
  const { request } = clients.openTool(hosts === undefined ? undefined : createLinkHosts(hosts));
  return createFetchUrl(request, hosts) as Tool;
}

/** Where folders cannot be guarded there is no workspace; an agent that names its tools is then told so at the start. */
function openWorkspace({ tools: { workspace }, store: { dataDir } }: Config, logger: Logger): readonly Tool[] {
  if (process.platform !== 'linux') return [];
  const { folder = join(dataDir, 'workspaces'), size, files, programs, timeout } = workspace;
  const folders = createFolders(folder);
  keepSwept(folders, logger);
  return createWorkspace({ folders, maxBytes: size, maxFiles: files, programs, programTimeoutMs: timeout });
}

/** Removes what dead workers left, now and as long as the process lives. */
function keepSwept(folders: Folders, logger: Logger): void {
  const sweep = async (): Promise<void> => {
    const { removed, left } = await folders.sweep();
    if (removed + left > 0) logger.info({ removed, left }, 'workspace.swept');
  };
  const sweepOrSay = () => sweep().catch((error: unknown) => logger.warn({ error }, 'workspace.not-swept'));
  void sweepOrSay();
  setInterval(sweepOrSay, SWEEP_MS).unref();
}
