import { toHex } from '../../../core/crypto/encoding.ts';
import type { InboundEvent } from '../../../core/event.ts';
import type { Agent } from '../../agent.ts';
import type { RunSub } from '../../tools/delegate.ts';
import type { Memory, Turn } from '../memory/memory.ts';
import { createMarking, type Marking } from './marking.ts';
import type { Message } from './model.ts';
import { type Part, type TalkDeps, talk } from './talk.ts';

export interface AssistantDeps extends TalkDeps {
  /** Null: each message stands alone. */
  readonly memory: Memory | null;
  /** Cryptographically random bytes. */
  readonly random: (length: number) => Uint8Array;
  /** Answers of the model in one generation at most. */
  readonly maxSteps: number;
}

export interface AssistantDefinition extends Omit<Agent, 'run' | 'remembers'> {
  readonly instructions: string;
}

/** Answers of the model that a delegate may take: its task is a part of one. */
const SUB_STEPS = 10;
/** 128 bits cannot be guessed. */
const NONCE_BYTES = 16;

/** An agent that asks a model, with tools, memory and guardrails. */
export function createAssistant(definition: AssistantDefinition, deps: AssistantDeps): Agent {
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
      const { text, origin } = read(event);
      const part: Part = {
        ...shared,
        instructions,
        past,
        text,
        origin,
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
function read({ text, payload, author, channel, kind, receivedAt }: InboundEvent): Pick<Part, 'text' | 'origin'> {
  return {
    text: text.trim() === '' ? JSON.stringify(payload) : text,
    origin: { from: author.id, by: author.kind, channel, kind, at: new Date(receivedAt).toISOString() },
  };
}

const messagesOf = ({ author, asked, said, at }: Turn, { channel }: InboundEvent, marking: Marking): Message[] => [
  { role: 'user', text: marking.frame({ from: author, channel, at: new Date(at).toISOString() }, asked) },
  { role: 'assistant', text: said, calls: [] },
];
