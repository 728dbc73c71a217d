import { SallyportError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Meter } from '../../../core/meter.ts';
import type { Scrub } from '../../../scrub/scrub.ts';
import type { Guardrails } from '../../guardrails/guardrails.ts';
import { createToolbox } from '../../tools/create-toolbox.ts';
import { createDelegate, type Delegate } from '../../tools/delegate.ts';
import type { Tool } from '../../tools/tool.ts';
import type { Toolbox } from '../../tools/toolbox.ts';
import { isTool } from '../definition.ts';
import type { Part } from './talk.ts';

export interface ToolboxesDeps {
  /** Built-in tools as this agent has them. */
  readonly builtIn: (agent: string) => readonly Tool[];
  /** Names a tenant allows; null: all. */
  readonly allowedBy: (tenant: string) => ReadonlySet<string> | null;
  /** The guarded client for tools: one without an allow-list. */
  readonly fetch: typeof globalThis.fetch;
  readonly scrub: Scrub;
  readonly meter: Meter;
  readonly logger: Logger;
}

/** What an agent may use, as it was configured. */
export interface Equipment {
  readonly agent: string;
  readonly tools: readonly (string | object)[];
  readonly delegates: ReadonlyMap<string, Delegate>;
  /** Tools of the delegates, besides built-in ones. */
  readonly delegateTools: readonly (string | object)[];
  readonly guardrails: Guardrails;
}

/**
 * Makes what opens an agent's toolbox for a part of a run: its own tools or the delegate's, those their tenant allows.
 * @throws SallyportError ERR_CONFIG_INVALID for a name that is no built-in tool, or something that is no tool
 */
export function createToolboxes(deps: ToolboxesDeps): (equipment: Equipment) => (part: Part) => Toolbox | null {
  return ({ agent, tools, delegates, delegateTools, guardrails }) => {
    const builtIn = new Map(deps.builtIn(agent).map((tool) => [tool.name, tool]));
    const unknown = [...tools, ...delegateTools].filter((given) => typeof given === 'string' && !builtIn.has(given));
    if (unknown.length > 0) {
      const known = [...builtIn.keys()].join(', ');
      const message = `agent ${agent}: names a tool that does not exist: ${unknown.join(', ')} (there are ${known}, and tools made by defineTool)`;
      throw new SallyportError('ERR_CONFIG_INVALID', message);
    }
    const find = (given: string | object): Tool => {
      const tool = typeof given === 'string' ? builtIn.get(given) : given;
      if (tool !== undefined && isTool(tool)) return tool;
      throw new SallyportError('ERR_CONFIG_INVALID', `agent ${agent}: has a tool that was not made by defineTool`);
    };
    const own = tools.map(find);
    delegateTools.forEach(find);
    const custom = [...delegateTools, ...tools].filter((given) => typeof given !== 'string').map(find);
    const names = [...own.map(({ name }) => name), ...(delegates.size === 0 ? [] : ['delegate'])];
    return (part) => {
      const { event, budget, runSub, steps, trail, signal, instructions } = part;
      const ofTenant = deps.allowedBy(event.tenant);
      const allowed = new Set([...(part.allowed ?? names)].filter((name) => ofTenant?.has(name) ?? true));
      if (allowed.size === 0) return null;
      const canDelegate = runSub !== null && allowed.has('delegate');
      // A delegate has the built-in tools as it has them itself, not as who delegates to it.
      const known = new Map([...deps.builtIn(part.agent), ...custom].map((tool) => [tool.name, tool]));
      const all = [...known.values(), ...(canDelegate ? [createDelegate({ delegates, budget, runSub }) as Tool] : [])];
      const of = { tenant: event.tenant, agent: part.agent, eventId: event.id, instructions };
      return createToolbox({ ...deps, ...of, tools: all, allowed, steps, trail, budget, signal, guardrails });
    };
  };
}
