import { SallyportError } from '../../core/errors.ts';
import type { ChannelName, InboundEvent } from '../../core/event.ts';
import type { Agent } from '../agent.ts';
import type { Guardrail } from '../guardrails/guardrail.ts';
import type { Tool } from '../tools/tool.ts';
import type { LanguageModelObject } from './settings.ts';

/** A number, or that number as text, or `unlimited`. */
type Max = number | string;

/** A program behind HTTP. docs/http-agent.md */
export interface HttpAgentOptions {
  /** Plain http only on this machine. */
  url: string;
  /** Standard Webhooks; several while one replaces another. Its callbacks are verified with these and no others. */
  secrets: string | string[];
  /** For its answer to a request, e.g. `60s`. */
  timeout?: string;
  /** For its callback after a 202, e.g. `10m`. */
  callbackTimeout?: string;
  /** What one run may use: reserved before it is asked, and spent in full unless it reports less. */
  reserve?: {
    usd?: number | string;
    inputTokens?: number;
    outputTokens?: number;
    modelCalls?: number;
    toolCalls?: number;
  };
}

/** An agent as a configuration file describes it: instructions for a model, code of your own, or a program behind HTTP. */
export interface AgentDefinition {
  /** 1 to 31 of a-z, 0-9 and -; it is shown in metrics and run records. */
  name: string;
  /** What other agents are told it is good for, when they may delegate to it. */
  description?: string;
  /** Whether it answers an event. The first agent of the list that does gets it; absent: it answers everything. */
  match?: ((event: InboundEvent) => boolean) | { channels?: ChannelName[]; mentioned?: boolean };
  /** Its name at `LLM_BASE_URL`, or any language model of the AI SDK, e.g. `anthropic('claude-sonnet-4-5')`; absent: `LLM_MODEL`. */
  model?: string | LanguageModelObject;
  /** What the model is told. Nothing from outside is ever put among it. */
  instructions?: string;
  /** Names of built-in tools, and tools of your own (`defineTool`). */
  tools?: (string | Tool)[];
  /** Which hosts its `fetch_url` may ask, like `docs.example.com` or `*.example.com`; absent: `tools.fetchUrl`, or all public ones. */
  fetchUrl?: { hosts: string[] };
  /** Names of agents it may give a part of its task to. */
  delegates?: string[];
  /** Of one run. It narrows the tenant's limits and never widens them. */
  budget?: { usd?: Max; tokens?: Max; calls?: Max; toolCalls?: Max; seconds?: Max };
  /** Whether a person looks at a reply before it is sent. */
  review?: boolean | ((reply: { readonly text: string }, event: InboundEvent) => boolean);
  /** Checks of its own, before those that every agent passes. */
  guardrails?: Guardrail[];
  /** Code instead of instructions. What costs something goes through `context.budget`. */
  run?: Agent['run'];
  /** A program instead of instructions. */
  http?: HttpAgentOptions;
}

/**
 * Types an agent of a `sallyport.config.ts`.
 * @example agents: [defineAgent({ name: 'support', match: ({ mentioned }) => mentioned, instructions: 'You help.' })]
 */
export const defineAgent = (definition: AgentDefinition): AgentDefinition => definition;

/** Whether something that a program put among an agent's tools is one. */
export const isTool = (value: object): value is Tool =>
  'description' in value &&
  typeof value.description === 'string' &&
  'effect' in value &&
  ['none', 'idempotent', 'once'].includes(String(value.effect)) &&
  'input' in value &&
  typeof value.input === 'object' &&
  'run' in value &&
  typeof value.run === 'function';

/** Whether something that a program put among an agent's guardrails is one. */
export const isGuardrail = (value: object): value is Guardrail =>
  'stages' in value && Array.isArray(value.stages) && 'check' in value && typeof value.check === 'function';

/** What decides who answers an event. */
export interface Candidate {
  readonly name: string;
  /** Absent: everything. */
  readonly match?: ((event: InboundEvent) => boolean) | undefined;
}

export interface Choice<T extends Candidate> {
  /** In the order in which they are asked. */
  readonly candidates: readonly T[];
  /** Names a tenant allows; null: all. */
  readonly allowed: (tenant: string) => ReadonlySet<string> | null;
}

/**
 * Who answers an event: the first candidate its tenant allows that matches it.
 * @throws SallyportError ERR_AGENT_FAILED: a `match` threw
 */
export function choose<T extends Candidate>(event: InboundEvent, { candidates, allowed }: Choice<T>): T | null {
  const names = allowed(event.tenant);
  try {
    return candidates.find(({ name, match }) => (names?.has(name) ?? true) && (match?.(event) ?? true)) ?? null;
  } catch (error) {
    throw new SallyportError('ERR_AGENT_FAILED', 'whether an agent matches could not be decided', { cause: error });
  }
}
