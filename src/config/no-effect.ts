import type { ChannelModule } from '../channels/module.ts';
import { channelModules } from '../channels/registry.ts';
import { builtInOf } from '../workers/agents/settings.ts';
import { allVariables } from './environment.ts';
import type { Config } from './schema.ts';
import { type Environment, isGiven } from './variables.ts';

const modules: readonly ChannelModule[] = channelModules;

const settingsOf = (tenant: object | undefined, channel: string): unknown =>
  tenant === undefined ? undefined : Reflect.get(tenant, channel);

type Tenant = Config['tenants'][string];
type Agent = Config['agents'][number];

/** Places of settings, and whether anything would be different without them. */
type Rule = readonly [places: readonly string[], hasEffect: boolean];

/**
 * Names of settings that are given and do nothing with the rest of the configuration, such as the address of a channel
 * that is not configured. All roles may share their settings, so what another role uses counts as used.
 * @param file settings of the file, before they were parsed
 * @param environment without what a command made up
 */
export function settingsWithoutEffect(config: Config, file: unknown, environment: Environment): string[] {
  const idle = rules(config).filter(([, hasEffect]) => !hasEffect);
  const places = idle.flatMap(([dotted]) => dotted.map((place) => place.split('.')));
  const variables = Object.entries(allVariables.paths).filter(
    ([name, path]) =>
      isGiven(name, environment, allVariables) &&
      !ofOthersToo.has(name) &&
      places.some((place) => isWithin(path, place)),
  );
  const inFile = places.filter((place) => isSaid(valueAt(file, place)));
  // Certificates are verified whatever the environment says.
  const unheeded = environment[NO_VERIFICATION] === '0' ? [NO_VERIFICATION] : [];
  return [...new Set([...unheeded, ...variables.map(([name]) => name), ...inFile.map((place) => place.join('.'))])];
}

/** Node's own switch; the command line removes it from the process. */
const NO_VERIFICATION = 'NODE_TLS_REJECT_UNAUTHORIZED';

/** What other programs on the machine read as well: it need not be meant for the gate. */
const ofOthersToo: ReadonlySet<string> = new Set(['GOOGLE_APPLICATION_CREDENTIALS']);

const isWithin = (path: readonly string[], place: readonly string[]): boolean =>
  place.every((part, i) => path[i] === part);

/** Items of lists count as places too. */
const valueAt = (file: unknown, place: readonly string[]): unknown =>
  place.reduce((at, part) => (typeof at === 'object' && at !== null ? Reflect.get(at, part) : undefined), file);

const isSaid = (value: unknown): boolean => value !== undefined && !(Array.isArray(value) && value.length === 0);

function rules(config: Config): readonly Rule[] {
  const { store, audit, api, tenants, guardrails } = config;
  const used = answering(config);
  const all = Object.values(tenants);
  const has = ({ name }: ChannelModule): boolean => all.some((one) => settingsOf(one, name) !== undefined);
  const isRedis = store.redisUrl !== undefined;
  return [
    [['store.shards', 'store.prefix', 'store.minReplicas', 'store.allowUnsafe'], isRedis],
    ...modules.map((one): Rule => [[`windows.${one.name}`], has(one)]),
    [['keeper'], modules.some((one) => one.isKept === true && has(one))],
    [['audit.key', 'audit.every'], audit.checkpoints !== undefined],
    [
      ['api.jwtIssuer', 'api.jwtAudience', 'api.tokenMaxLife', 'api.jwtIntrospectionUrl'],
      api.jwtSecret !== undefined || api.jwtJwksUrl !== undefined,
    ],
    [['api.jwtPreviousSecrets'], api.jwtSecret !== undefined],
    [['api.jwtIntrospectionClientId', 'api.jwtIntrospectionClientSecret'], api.jwtIntrospectionUrl !== undefined],
    [['agent.http'], used.builtIn === 'http'],
    [['agent.instructions', 'agent.tools'], used.builtIn === 'assistant'],
    [
      ['agent.llm', 'agent.maxSteps', 'agent.maxInput', 'agent.timeZone', 'agent.memory', 'guardrails.promptLeak'],
      used.models.length > 0,
    ],
    [
      ['agent.llm.baseUrl', 'agent.llm.apiKey', 'agent.llm.maxTokensField'],
      used.models.length === 0 || used.models.some((one) => typeof one.model !== 'object'),
    ],
    [['agent.llm.model'], used.models.some((one) => one.model === undefined)],
    [['prices'], used.models.length > 0 || used.hasCode],
    [['budget.global.usd', 'budget.global.tokens', 'budget.global.modelCalls'], used.costs],
    [['budget.global.toolCalls', 'budget.global.runs'], used.costs],
    [['tools.fetchUrl'], used.models.some((one) => one.tools.includes('fetch_url') && !one.hasOwnHosts)],
    [['tools.workspace'], used.models.some((one) => one.tools.some((name) => name.startsWith('workspace_')))],
    [
      ['tools.workspace.programs', 'tools.workspace.timeout'],
      used.models.some((one) => one.tools.includes('workspace_run')),
    ],
    [
      ['guardrails.services'],
      used.models.length > 0 || guardrails.services.some(({ stages }) => stages.includes('output')),
    ],
    ...config.agents.flatMap(agentRules),
    ...Object.entries(tenants).flatMap(([name, tenant]) => tenantRules(`tenants.${name}`, tenant, used)),
    // A variable that only refines a channel sets nothing of a tenant that does not have the channel.
    ...modules.map(({ name }): Rule => [[`tenants.default.${name}`], settingsOf(tenants.default, name) !== undefined]),
  ];
}

interface Answering {
  readonly builtIn: ReturnType<typeof builtInOf>;
  /** Agents that ask a model. */
  readonly models: readonly {
    readonly tools: readonly string[];
    /** Its name, or a model of the AI SDK, which does not ask the endpoint. */
    readonly model?: string | object | undefined;
    readonly hasOwnHosts: boolean;
  }[];
  /** Whether an agent is code, which may call models by itself. */
  readonly hasCode: boolean;
  /** Whether runs of any agent are counted, and may cost something. */
  readonly costs: boolean;
  /** Whether an agent may want its reply to be reviewed. */
  readonly mayWantReview: boolean;
}

function answering({ agent, agents }: Config): Answering {
  const builtIn = builtInOf(agent, agents);
  const own = agents.filter(({ instructions }) => instructions !== undefined);
  const models = own.map(({ tools, model, fetchUrl }) => ({
    tools: namesOf(tools),
    model,
    hasOwnHosts: fetchUrl !== undefined,
  }));
  const assistant = { tools: agent.tools, hasOwnHosts: false };
  const isCode = ({ run, http }: Agent): boolean => run !== undefined || http !== undefined;
  return {
    builtIn,
    models: builtIn === 'assistant' ? [...models, assistant] : models,
    hasCode: agents.some(({ run }) => run !== undefined),
    costs: builtIn === 'assistant' || builtIn === 'http' || own.length > 0 || agents.some(isCode),
    mayWantReview: builtIn === 'http' || agents.some((one) => isCode(one) || one.review !== false),
  };
}

const namesOf = (tools: Agent['tools']): string[] =>
  tools.map((tool) => (typeof tool === 'string' ? tool : String(Reflect.get(tool, 'name'))));

/** Texts on their way to a model or a tool are the gate's only where it asks the model. */
function agentRules({ instructions, guardrails }: Agent, index: number): readonly Rule[] {
  const seesOutput = guardrails.some((one) => {
    const stages: unknown = Reflect.get(one, 'stages');
    return !Array.isArray(stages) || stages.includes('output');
  });
  return [[[`agents.${index}.guardrails`], instructions !== undefined || seesOutput]];
}

function tenantRules(at: string, tenant: Tenant, used: Answering): readonly Rule[] {
  const { review } = tenant;
  const within = (parent: string, ...names: readonly string[]): string[] =>
    names.map((name) => `${at}.${parent}${name}`);
  const scopes = ['tenant', 'channel', 'user', 'conversation', 'run'];
  const counted = ['usd', 'tokens', 'modelCalls', 'toolCalls', 'runs'];
  const limits = scopes.flatMap((scope) => counted.map((resource) => `${at}.budget.${scope}.${resource}`));
  const idle = modules.map(({ name, withoutEffect }): Rule => {
    const settings = settingsOf(tenant, name);
    const fields = settings === undefined ? [] : (withoutEffect?.(settings) ?? []);
    return [within(`${name}.`, ...fields), false];
  });
  return [
    ...idle,
    [[`${at}.tools`], used.models.length > 0],
    [limits, used.costs],
    [within('review.', 'expires', 'approvers'), review.replies === 'always' || used.mayWantReview],
  ];
}
