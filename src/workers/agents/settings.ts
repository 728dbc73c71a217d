import * as z from 'zod';
import type { InboundEvent } from '../../core/event.ts';
import { setting } from '../../core/setting.ts';
import { bytes, durationBetween, flag, httpUrl, integer, secret } from '../../core/setting-values.ts';
import { agentBudgetSchema } from '../budget/settings.ts';
import { fetchUrlSchema } from '../tools/settings.ts';
import { httpAgentSchema, httpEndpointSchema, needHttpAgent } from './http/settings.ts';

/** What answers where no agent of the configuration does. */
const builtInAgents = ['echo', 'assistant', 'http'] as const;

const DEFAULT_INSTRUCTIONS =
  'You are a helpful assistant in a chat. Answer the latest message, briefly and in its own language. ' +
  'Say so when you do not know something.';

const text = (most: number) =>
  z
    .string({ error: 'is required, as text' })
    .min(1, { message: 'is empty' })
    .max(most, { message: `is longer than ${most} characters` });

const instructions = text(100_000);

const AGENT_NAME = /^[a-z][a-z0-9-]{0,30}$/;

/** It becomes a metric label and a part of names, so it is short and plain. */
const agentName = z
  .string({ error: 'is required' })
  .regex(AGENT_NAME, { message: 'must be 1 to 31 of a-z, 0-9 and -, starting with a letter' })
  .refine((name) => !builtInAgents.some((known) => known === name), { message: 'is the name of a built-in agent' });

const isFunction = (value: unknown): boolean => typeof value === 'function';
const functionOf = <T>() => z.custom<T>(isFunction, { error: 'must be a function' });

/** Something with a name and a function to call: what exactly it must be is known where it is called. */
const named = (method: string, expected: string) =>
  z.custom<object>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      'name' in value &&
      typeof value.name === 'string' &&
      isFunction(Reflect.get(value, method)),
    { error: expected },
  );

const modelName = z.string().regex(/^[\x21-\x7e]{1,200}$/, { message: 'must be the name of a model' });

/** A language model of the AI SDK: `LanguageModelV2` or `LanguageModelV3` of whatever copy of `@ai-sdk/provider` made it. */
export interface LanguageModelObject {
  readonly specificationVersion: 'v2' | 'v3';
  readonly provider: string;
  readonly modelId: string;
  doGenerate(options: never): PromiseLike<unknown>;
  doStream(options: never): PromiseLike<unknown>;
}

const specifications: ReadonlySet<unknown> = new Set(['v2', 'v3']);

const isLanguageModel = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  specifications.has(Reflect.get(value, 'specificationVersion')) &&
  ['provider', 'modelId'].every((name) => typeof Reflect.get(value, name) === 'string') &&
  ['doGenerate', 'doStream'].every((name) => isFunction(Reflect.get(value, name)));

const anyModel = z.union([modelName, z.custom<LanguageModelObject>(isLanguageModel)], {
  error: 'must be the name of a model, or a language model of the AI SDK (specification v2 or v3)',
});

/** It becomes part of a header: a line end in it would begin another one. */
const headerText = secret(1).regex(/^[\x21-\x7e]*$/, { message: 'must be printable ASCII without spaces' });

const toolName = z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, { message: 'must be 1 to 64 of a-z, 0-9 and _' });
const toolNames = z.array(toolName);

type Match = (event: InboundEvent) => boolean;

/** For files that hold no code: all that is named has to hold. */
const conditions = (channelNames: readonly string[]) =>
  z
    .strictObject({
      channels: z
        .array(z.enum(channelNames, { error: `must be one of ${channelNames.join(', ')}` }))
        .min(1, { message: 'is empty' })
        .optional(),
      /** Whether the app was addressed by name. */
      mentioned: flag.optional(),
    })
    .transform(
      ({ channels, mentioned }): Match =>
        (event) =>
          (channels?.includes(event.channel) ?? true) && (mentioned ?? event.mentioned) === event.mentioned,
    );

/** Whether an agent answers an event: a function, or conditions. */
const matchSchema = (channelNames: readonly string[]) =>
  z.union([z.custom<Match>((value) => typeof value === 'function'), conditions(channelNames)], {
    error: 'must be a function, or channels and mentioned',
  });

const definition = (channelNames: readonly string[]) =>
  z
    .strictObject({
      name: agentName,
      /** What agents that may delegate to it are told it is good for. */
      description: text(1000).optional(),
      /** Whether it answers an event. Of several agents the first that does gets it. */
      match: matchSchema(channelNames).optional(),
      /** As the endpoint of `agent.llm` knows it, or one of the AI SDK; absent: that of `agent.llm`. */
      model: anyModel.optional(),
      instructions: instructions.optional(),
      /** Names of built-in tools, and tools of your own (`defineTool`). */
      tools: z
        .array(z.union([toolName, named('run', '')], { error: 'must be names or tools (defineTool)' }))
        .default([]),
      /** Of its `fetch_url`, instead of `tools.fetchUrl`. */
      fetchUrl: fetchUrlSchema.optional(),
      /** Names of agents it may give a part of its task to. */
      delegates: z.array(z.string()).default([]),
      /** What one run may use. It narrows the tenant's limits for runs and never widens them. */
      budget: agentBudgetSchema,
      /** Whether a person looks at its replies first. */
      review: z
        .union([z.boolean(), functionOf<(reply: { readonly text: string }, event: InboundEvent) => boolean>()], {
          error: 'must be true, false or a function',
        })
        .default(false),
      /** Its own checks, before those that every agent passes. */
      guardrails: z.array(named('check', 'must be guardrails')).default([]),
      /** Code of your own instead of instructions and tools. */
      run: functionOf<(...task: never[]) => Promise<unknown>>().optional(),
      /** An adapter that gets the capabilities of its events (`boltAgent`) instead of instructions and tools. */
      trusted: functionOf<(deps: never) => unknown>().optional(),
      /** A program somewhere else instead of instructions and tools. */
      http: httpEndpointSchema.optional(),
    })
    .refine(
      (one) => [one.instructions, one.run, one.trusted, one.http].filter((kind) => kind !== undefined).length === 1,
      {
        message: 'needs one of instructions (for a model), run (your own code) and http (a program of yours)',
      },
    )
    .superRefine((one, context) => {
      const kind = one.run !== undefined ? 'run' : one.http !== undefined ? 'http' : null;
      if (kind === null || one.instructions !== undefined) return;
      // Running would be wrong: whoever lists tools or hosts relies on the agent having these and no others.
      const { tools, delegates, model, fetchUrl } = one;
      for (const [setting, value] of Object.entries({ tools, delegates, model, fetchUrl })) {
        if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
        const message = `has no effect for an agent with ${kind}; remove it, or use instructions`;
        context.addIssue({ code: 'custom', path: [setting], message });
      }
    });

const isDelegate = (name: string, all: readonly z.output<ReturnType<typeof definition>>[]): boolean =>
  all.some((one) => one.name === name && one.description !== undefined && one.instructions !== undefined);

/** The agents of a file. `channelNames`: those a condition may name. */
export const agentsSchema = (channelNames: readonly string[]) =>
  setting(
    z
      .array(definition(channelNames))
      .refine((all) => all.every(({ delegates }) => delegates.every((name) => isDelegate(name, all))), {
        message: 'delegate only to agents that have a description and instructions',
      })
      .superRefine((all, context) => {
        const names = all.map(({ name }) => name);
        const twice = new Set(names.filter((name, at) => names.indexOf(name) !== at));
        if (twice.size === 0) return;
        context.addIssue({ code: 'custom', message: `have the same name: ${[...twice].join(', ')}` });
      })
      .default([]),
    { description: 'your own: instructions, code or programs ([agents.md](agents.md))' },
  );

const maxTokensFields = ['auto', 'max_tokens', 'max_completion_tokens'] as const;

const llm = z
  .strictObject({
    baseUrl: setting(httpUrl.optional(), {
      env: 'LLM_BASE_URL',
      description: 'an OpenAI-compatible API, e.g. `https://api.openai.com/v1`; plain http only on this machine',
    }),
    apiKey: setting(headerText.optional(), {
      env: 'LLM_API_KEY',
      description: 'sent as bearer token',
      secret: true,
      refines: 'LLM_BASE_URL',
    }),
    model: setting(modelName.optional(), {
      env: 'LLM_MODEL',
      description: "the model's name there; required with `LLM_BASE_URL`",
    }),
    timeout: setting(durationBetween('1s', '10m').prefault('60s'), { description: 'for one answer of the model' }),
    maxOutputTokens: setting(integer(1, 1_000_000).default(4096), {
      description: 'longest answer; what is reserved of the budget before each call',
    }),
    maxTokensField: setting(
      z.enum(maxTokensFields, { error: `must be one of ${maxTokensFields.join(', ')}` }).default('auto'),
      {
        env: 'LLM_MAX_TOKENS_FIELD',
        description:
          "what requests call the limit of an answer: `max_tokens`, `max_completion_tokens`, or `auto`, [by the model's name](agents.md#the-limit-of-an-answer)",
        refines: 'LLM_BASE_URL',
      },
    ),
  })
  .prefault({});

const isTimeZone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
};

/** What a conversation remembers of its own past. */
const memory = z
  .strictObject({
    turns: setting(integer(0, 100).default(10), {
      description: 'messages and replies a conversation remembers; 0 remembers nothing',
    }),
    bytes: setting(
      bytes
        .refine((size) => size >= 1024 && size <= 262_144, { message: 'must be from 1KiB to 256KiB' })
        .prefault('16KiB'),
      { description: 'of one conversation' },
    ),
    age: setting(durationBetween('1m', '24d').prefault('7d'), { description: 'older turns are forgotten' }),
  })
  .prefault({});

export const agentSchema = z
  .strictObject({
    kind: setting(z.enum(builtInAgents, { error: `must be one of ${builtInAgents.join(', ')}` }).optional(), {
      env: 'SALLYPORT_AGENT',
      description:
        'what answers where no agent of the file does: `echo`, `assistant` or `http`; with agents in the file there is no default',
      default: 'assistant with `LLM_BASE_URL`, else echo',
    }),
    llm,
    http: httpAgentSchema,
    instructions: setting(instructions.default(DEFAULT_INSTRUCTIONS), {
      description: 'of the built-in assistant',
      default: 'a short text',
    }),
    tools: setting(toolNames.default([]), { description: "names of the built-in assistant's tools" }),
    maxSteps: setting(integer(1, 200).default(20), {
      description: 'answers of the model in one run, those that ask for tools included',
    }),
    maxInput: setting(bytes.prefault('64KiB'), {
      description: 'most that is shown to the model of one message or one result of a tool; the rest is cut',
    }),
    timeZone: setting(
      z.string().refine(isTimeZone, { message: 'must be a time zone like UTC or Europe/Berlin' }).default('UTC'),
      { env: 'SALLYPORT_TIME_ZONE', description: 'in which models are told the date and the time' },
    ),
    memory,
  })
  .prefault({});

/** What a tenant's events may be answered by, and with: absent, all that is configured. */
export const tenantAgents = {
  agents: setting(z.array(z.string()).optional(), {
    description: "names of the agents that may answer the tenant's events",
    default: 'all',
  }),
  tools: setting(toolNames.optional(), {
    description: 'names of the tools that may be called for the tenant',
    default: 'all',
  }),
};

/** A tenant that allows an agent nobody defined would be answered by nobody. */
export function checkTenantAgents(
  {
    agents,
    tenants,
  }: {
    readonly agents: readonly { readonly name: string }[];
    readonly tenants: Readonly<Record<string, { readonly agents?: readonly string[] | undefined }>>;
  },
  context: z.RefinementCtx,
): void {
  const known = new Set<string>([...builtInAgents, ...agents.map(({ name }) => name)]);
  for (const [tenant, { agents: allowed = [] }] of Object.entries(tenants)) {
    const unknown = allowed.filter((name) => !known.has(name));
    if (unknown.length === 0) continue;
    const named = unknown.map((name) => (AGENT_NAME.test(name) ? name : 'one whose name is not valid'));
    context.addIssue({
      code: 'custom',
      path: ['tenants', tenant, 'agents'],
      message: `names an agent that does not exist: ${named.join(', ')} (there are ${[...known].join(', ')})`,
    });
  }
}

export type AgentConfig = z.output<typeof agentSchema>;
export type AgentDefinitionConfig = z.output<ReturnType<typeof definition>>;

type BuiltInAgent = (typeof builtInAgents)[number];

/** What answers an event that no agent of the configuration matches; null: nothing does. */
export function builtInOf(agent: AgentConfig, agents: readonly unknown[]): BuiltInAgent | null {
  if (agent.kind !== undefined) return agent.kind;
  if (agents.length > 0) return null;
  return agent.llm.baseUrl === undefined ? 'echo' : 'assistant';
}

/** Of a definition that may be wrong in any way. One with a model of the AI SDK does not ask the endpoint. */
const asksModel = (
  one: { readonly [K in 'run' | 'trusted' | 'http' | 'model']?: unknown } | null | undefined,
): boolean => !isFunction(one?.run ?? one?.trusted) && one?.http === undefined && typeof one?.model !== 'object';

/** Says what an agent with a model cannot do without. Looks at settings that may be wrong in any other way. */
export function needModel(
  kind: unknown,
  llm: { readonly [K in 'baseUrl' | 'model']?: unknown },
  agents: unknown,
  need: (setting: string, path: readonly string[], why: string) => void,
): void {
  if (kind === 'http') needHttpAgent(need);
  const definitions = Array.isArray(agents) ? agents.filter(asksModel) : [];
  const isMeant = kind === undefined && definitions.length === 0 && (llm.baseUrl ?? llm.model) !== undefined;
  const hasAssistant = kind === 'assistant' || isMeant;
  if (!hasAssistant && definitions.length === 0) return;
  const why = hasAssistant ? 'for the agent assistant' : 'for agents with instructions';
  need('LLM_BASE_URL', ['agent', 'llm', 'baseUrl'], why);
  if (hasAssistant || definitions.some((one) => one?.model === undefined)) {
    need('LLM_MODEL', ['agent', 'llm', 'model'], why);
  }
}
