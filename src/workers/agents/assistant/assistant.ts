import { toHex } from '../../../core/crypto/encoding.ts';
import { defined } from '../../../core/defined.ts';
import { SallyportError } from '../../../core/errors.ts';
import type { InboundEvent } from '../../../core/event.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Meter } from '../../../core/meter.ts';
import type { Tracer } from '../../../core/tracer.ts';
import type { Scrub } from '../../../scrub/scrub.ts';
import type { Agent } from '../../agent.ts';
import type { Guardrails } from '../../guardrails/guardrails.ts';
import { createToolbox } from '../../tools/create-toolbox.ts';
import { createDelegate, type Delegate, type RunSub } from '../../tools/delegate.ts';
import type { Tool } from '../../tools/tool.ts';
import type { Toolbox } from '../../tools/toolbox.ts';
import { isTool } from '../definition.ts';
import type { Memory, Turn } from '../memory/memory.ts';
import type { Message } from './model.ts';
import { createMarking, type Marking, type Part, type TalkDeps, talk } from './talk.ts';

export interface AssistantDefinition extends Omit<Agent, 'run' | 'remembers'> {
  readonly instructions: string;
}

/** Answers of the model that a delegate may take: its task is a part of one. */
const SUB_STEPS = 10;
/** 128 bits cannot be guessed. */
const NONCE_BYTES = 16;

/** An agent that asks a model, with tools, memory and guardrails. */
export function createAssistant(
  definition: AssistantDefinition,
  deps: TalkDeps & {
    /** Null: each message stands alone. */
    readonly memory: Memory | null;
    /** Cryptographically random bytes. */
    readonly random: (length: number) => Uint8Array;
    /** Answers of the model in one generation at most. */
    readonly maxSteps: number;
  },
): Agent {
  const { name: agent, instructions } = definition;
  return {
    ...definition,
    remembers: deps.memory !== null,
    async run({ event, generation }, { steps, trail, budget, signal }) {
      const marking = createMarking(toHex(deps.random(NONCE_BYTES)));
      const shared = { event, agent, marking, steps, trail };
      const runSub: RunSub = (task) => {
        const origin = { from: 'agent', agent };
        return talk({ ...shared, ...task, past: [], origin, maxSteps: SUB_STEPS, runSub: null }, deps);
      };
      const past = ((await deps.memory?.recall(event)) ?? []).flatMap((turn) => messagesOf(turn, event, marking));
      // A redrive goes on where the generation before it ended, and may take as many steps again.
      const maxSteps = deps.maxSteps * generation;
      const part: Part = {
        ...shared,
        instructions,
        past,
        ...read(event),
        stepPrefix: '',
        maxSteps,
        budget,
        signal,
        runSub,
      };
      const reply = await talk(part, deps);
      return reply.trim() === '' ? { kind: 'silent' } : { kind: 'reply', text: reply };
    },
  };
}

/** What the model is shown of an event. One without words (a button) is told by what its sender says of it. */
function read(event: InboundEvent): Pick<Part, 'text' | 'origin' | 'attached'> {
  const { text, payload, author, authorName, attachments = [], channel, kind, receivedAt } = event;
  const isWordless = text.trim() === '' && attachments.length === 0;
  const name = defined({ name: authorName });
  return {
    text: isWordless ? JSON.stringify(payload) : text,
    origin: { from: author.id, ...name, by: author.kind, channel, kind, at: new Date(receivedAt).toISOString() },
    attached: attachments.map((one) => ({
      origin: {
        attachment: one.name,
        type: one.type,
        ...(one.size !== undefined && { bytes: String(one.size) }),
        from: author.id,
      },
      text: one.text ?? NOT_GIVEN,
    })),
  };
}

const NOT_GIVEN = '[You were not given the content of this attachment.]';

const messagesOf = ({ author, asked, said, at }: Turn, { channel }: InboundEvent, marking: Marking): Message[] => [
  { role: 'user', text: marking.frame({ from: author, channel, at: new Date(at).toISOString() }, asked) },
  { role: 'assistant', text: said, calls: [] },
];

/** What an agent may use, as it was configured. */
interface Equipment {
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
export function createToolboxes(deps: {
  /** Built-in tools as this agent has them. */
  readonly builtIn: (agent: string) => readonly Tool[];
  /** Names a tenant allows; null: all. */
  readonly allowedBy: (tenant: string) => ReadonlySet<string> | null;
  /** The guarded client for tools: one without an allow-list. */
  readonly fetch: typeof globalThis.fetch;
  readonly scrub: Scrub;
  readonly meter: Meter;
  readonly logger: Logger;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer;
}): (equipment: Equipment) => (part: Part) => Toolbox | null {
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
