import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import type { EventRecord } from '../../src/core/event.ts';
import { createIdentifier } from '../../src/core/identity.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { asFetch } from '../../src/net/clients.ts';
import { allowEntry } from '../../src/net/guard/check-url.ts';
import { createGuardedFetch } from '../../src/net/guarded-fetch.ts';
import type { Store } from '../../src/queue/store.ts';
import { createScrubber } from '../../src/scrub/scrubber.ts';
import {
  type LlmAnswer,
  type LlmRequest,
  type LlmServer,
  startLlmServer,
} from '../../src/testing/agents/llm-server.ts';
import type { Agent } from '../../src/workers/agent.ts';
import { openModels } from '../../src/workers/agents/assistant/ask-model.ts';
import {
  type AssistantDefinition,
  createAssistant,
  createToolboxes,
} from '../../src/workers/agents/assistant/assistant.ts';
import { createMemory, type Memory, type MemoryBounds } from '../../src/workers/agents/memory/memory.ts';
import type { Guardrail } from '../../src/workers/guardrails/guardrail.ts';
import { createGuardrails } from '../../src/workers/guardrails/guardrails.ts';
import type { Delegate } from '../../src/workers/tools/delegate.ts';
import type { Tool } from '../../src/workers/tools/tool.ts';
import { createFakeClock, type FakeClock } from './clock.ts';
import { type Gate, type GateOptions, openGate } from './gate.ts';
import { message, postSlack } from './slack.ts';

export interface AssistantOptions {
  readonly definition?: Partial<AssistantDefinition>;
  readonly tools?: readonly Tool[];
  /** Names the tenant allows; absent: all. */
  readonly allowedTools?: readonly string[];
  readonly delegates?: ReadonlyMap<string, Delegate>;
  readonly guardrails?: readonly Guardrail[];
  readonly memory?: Partial<MemoryBounds>;
  readonly answer?: (request: LlmRequest, n: number) => LlmAnswer | Promise<LlmAnswer>;
  readonly maxSteps?: number;
  readonly maxInput?: number;
  /** For one answer of the model. */
  readonly timeoutMs?: number;
  readonly gate?: GateOptions;
}

/** The real assistant, through the real SDK, against a local endpoint, behind the real doors. */
export interface AssistantWorld {
  readonly gate: Gate;
  readonly llm: LlmServer;
  readonly clock: FakeClock;
  /** Replies that were delivered, in order. */
  readonly told: readonly string[];
  /** Somebody writes, and workers attempt it as often as `attempts` says, its waits passing in between. */
  write(text: string, options?: { channel?: string; user?: string; attempts?: number }): Promise<EventRecord>;
  attempt(record: EventRecord, attempts?: number): Promise<EventRecord>;
  stop(): Promise<void>;
}

const KEY = new Uint8Array(32).fill(7);
const scrub = createScrubber({ crypto: nodeCrypto, key: KEY });
const guarding = { meter: silentMeter, logger: silentLogger };

export async function openAssistant(options: AssistantOptions = {}): Promise<AssistantWorld> {
  const llm = await startLlmServer(options.answer === undefined ? {} : { answer: options.answer });
  const clock = createFakeClock();
  const told: string[] = [];
  const gate = await openGate({
    clock: clock.now,
    replier: {
      send: async ({ text }, { begin }) => {
        await begin();
        told.push(text);
        return { kind: 'delivered' };
      },
      find: async () => 'absent',
    },
    agentOver: (store) => assistantOver(store, llm, clock, options),
    memoryOver: (store) => memoryOver(store, clock, options),
    ...options.gate,
  });

  const recordOf = async (id: string): Promise<EventRecord> => {
    const record = await gate.store.events.get('default', id);
    if (record === null) throw new Error('expected a record');
    return record;
  };
  const attempt: AssistantWorld['attempt'] = async ({ event }, attempts = 1) => {
    for (let n = 0; n < attempts; n += 1) {
      await gate.drain({ tenant: 'default', key: event.conversation.key });
      if (n < attempts - 1) clock.advance(25_000);
    }
    return recordOf(event.id);
  };
  return {
    gate,
    llm,
    clock,
    told,
    attempt,
    async write(text, { channel = 'D0000001', user = 'U1', attempts = 1 } = {}) {
      clock.advance(1_000);
      const at = clock.now();
      const { eventId } = await postSlack(gate.app, message({ text, at, user, channel }), { at });
      return attempt(await recordOf(eventId ?? ''), attempts);
    },
    async stop() {
      await gate.stop();
      await llm.stop();
    },
  };
}

function assistantOver(store: Store, llm: LlmServer, clock: FakeClock, options: AssistantOptions): Agent {
  const { tools = [], delegates = new Map(), guardrails: own = [], maxSteps = 20, maxInput = 64 * 1024 } = options;
  const allow = [allowEntry(llm.url)].filter((entry) => entry !== null);
  const noNames = async () => [];
  const guarded = createGuardedFetch({ resolve: noNames, allow, timeoutMs: options.timeoutMs ?? 10_000 });
  const guardrails = createGuardrails(own, guarding);
  const openToolbox = createToolboxes({
    builtIn: () => tools,
    allowedBy: () => (options.allowedTools === undefined ? null : new Set(options.allowedTools)),
    fetch: asFetch(createGuardedFetch({ resolve: noNames })),
    scrub,
    ...guarding,
  })({ agent: 'assistant', tools: tools.map(({ name }) => name), delegates, delegateTools: [], guardrails });
  return createAssistant(
    { name: 'assistant', instructions: 'You help.', guardrails: own, ...options.definition },
    {
      ask: openModels({ baseUrl: llm.url, fetch: asFetch(guarded) })('local'),
      openToolbox,
      memory: memoryOver(store, clock, options),
      guardrails,
      scrub,
      random: nodeCrypto.random,
      maxSteps,
      maxInput,
      maxOutputTokens: 500,
      clock: clock.now,
      timeZone: 'Europe/Berlin',
    },
  );
}

function memoryOver(store: Store, clock: FakeClock, { memory }: AssistantOptions): Memory {
  const { digest } = createIdentifier(nodeCrypto, KEY);
  const bounds = { turns: 10, bytes: 16 * 1024, ageMs: 7 * 86_400_000, ...memory };
  return createMemory({ records: store.records, digest, clock: clock.now, bounds });
}

/** Everything a tenant's conversations remember, as the store has it. */
export async function keptTurns(store: Store, tenant = 'default'): Promise<unknown[]> {
  const buckets = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'];
  const lists = await Promise.all(buckets.map((bucket) => store.records.list(tenant, `memory-${bucket}`)));
  return lists.flatMap((list) => [...list.values()].map(({ value }) => value));
}
