import { afterEach, describe, expect, test, vi } from 'vitest';
import { nodeCrypto } from '../../../../src/core/crypto/crypto.node.ts';
import { createIdentifier } from '../../../../src/core/identity.ts';
import { silentLogger } from '../../../../src/core/logger.ts';
import {
  createMemory,
  type Memory,
  type MemoryBounds,
  startForgetting,
  within,
} from '../../../../src/workers/agents/memory/memory.ts';
import { type AssistantOptions, type AssistantWorld, keptTurns, openAssistant } from '../../../support/assistant.ts';
import { PATIENCE_MS } from '../../../support/clock.ts';
import { openGate } from '../../../support/gate.ts';

let world: AssistantWorld | undefined;
afterEach(async () => {
  await world?.stop();
  world = undefined;
});

const open = async (options: AssistantOptions = {}): Promise<AssistantWorld> => {
  world = await openAssistant(options);
  return world;
};
const DAY_MS = 86_400_000;

/** What the model was shown of a request, without frames. */
const shown = ({ llm }: AssistantWorld, n: number): string[] =>
  (llm.requests[n]?.messages ?? []).slice(1).map(({ content }) =>
    String(content)
      .replace(/^<data-[^>]*>\n/, '')
      .replace(/\n<\/data-[^>]*>$/, ''),
  );

describe('a conversation', () => {
  test('remembers what was said in it, and no other does', async () => {
    const here = await open({ answer: (_, n) => ({ text: `answer ${n}` }) });
    await here.write('one');
    await here.write('two');
    await here.write('three', { channel: 'D0000002' });
    expect(shown(here, 0)).toEqual(['one']);
    expect(shown(here, 1)).toEqual(['one', 'answer 1', 'two']);
    expect(shown(here, 2)).toEqual(['three']);
    const { messages } = here.llm.requests[1] ?? { messages: [] };
    expect(messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user']);
    expect(messages[1]?.content).toMatch(/^<data-[0-9a-f]{32} from="U1" channel="slack" at="/);
  });

  test('does not remember what nobody was told', async () => {
    let isAway = true;
    const told: string[] = [];
    const here = await open({
      gate: {
        replier: {
          find: async () => 'absent',
          async send({ text }, { begin }) {
            if (isAway) throw new Error('away');
            await begin();
            told.push(text);
            return { kind: 'delivered' };
          },
        },
      },
    });
    const lost = await here.write('lost');
    expect(lost.state).toBe('parked');
    isAway = false;
    await here.write('next');
    expect(shown(here, 1)).toEqual(['next']);
  });

  test('remembers a reply that a later attempt delivered', async () => {
    let tries = 0;
    const here = await open({
      gate: {
        replier: {
          find: async () => 'absent',
          async send(_, { begin }) {
            await begin();
            tries += 1;
            return { kind: tries === 1 ? 'ambiguous' : 'delivered' };
          },
        },
      },
      answer: (_, n) => ({ text: `answer ${n}` }),
    });
    expect(await here.write('one', { attempts: 2 })).toMatchObject({ state: 'done', attempts: 2 });
    await here.write('two');
    expect(shown(here, 1)).toEqual(['one', 'answer 1', 'two']);
  });

  test('forgets the oldest turns, those that are too many and those that are too old', async () => {
    const here = await open({ memory: { turns: 2 }, answer: (_, n) => ({ text: `answer ${n}` }) });
    for (const text of ['1', '2', '3']) await here.write(text);
    await here.write('4');
    expect(shown(here, 3)).toEqual(['2', 'answer 2', '3', 'answer 3', '4']);
    here.clock.advance(7 * DAY_MS + 1);
    await here.write('5');
    expect(shown(here, 4)).toEqual(['5']);
  });

  test('remembers nothing where it is told so', async () => {
    const here = await open({ memory: { turns: 0 } });
    await here.write('one');
    await here.write('two');
    expect(shown(here, 1)).toEqual(['two']);
  });

  test('keeps no secret', async () => {
    const secret = `xoxb-${'1234567890'.repeat(2)}-${'a1B2c3D4e5F6'.repeat(2)}`;
    const here = await open({ answer: () => ({ text: `Your token is ${secret}` }) });
    await here.write(`my token is ${secret}`);
    await here.write('what is it?');
    const kept = JSON.stringify(await keptTurns(here.gate.store));
    expect(kept).toContain('my token is');
    expect(kept).not.toContain(secret);
    expect(JSON.stringify(here.llm.requests)).not.toContain(secret);
    expect(here.told.join()).not.toContain(secret);
  });
});

describe('memory', () => {
  const turn = (n: number, text: string) => ({ id: `ev_${n}`, at: n, author: 'U1', asked: text, said: text });

  async function openMemory(bounds: Partial<MemoryBounds> = {}) {
    const gate = await openGate();
    const { digest } = createIdentifier(nodeCrypto, new Uint8Array(32));
    const all = { turns: 10, bytes: 2048, ageMs: DAY_MS, ...bounds };
    const memory: Memory = createMemory({ records: gate.store.records, digest, clock: () => 0, bounds: all });
    return { memory, gate };
  }
  const ofTenant = (tenant: string) => ({ tenant, channel: 'slack', conversation: { name: 'D1', key: 'the-same' } });

  test('of one tenant is not that of another, even for one conversation key', async () => {
    const { memory, gate } = await openMemory();
    await memory.remember(ofTenant('acme'), turn(1, 'ours'));
    expect(await memory.recall(ofTenant('acme'))).toHaveLength(1);
    expect(await memory.recall(ofTenant('other'))).toEqual([]);
    await gate.stop();
  });

  test('keeps a turn once, however often it is given, and turns of writers that overlap', async () => {
    const { memory, gate } = await openMemory();
    await Promise.all([1, 1, 2, 2, 3].map((n) => memory.remember(ofTenant('acme'), turn(n, `text ${n}`))));
    const ids = (await memory.recall(ofTenant('acme'))).map(({ id }) => id);
    expect(ids.sort()).toEqual(['ev_1', 'ev_2', 'ev_3']);
    await gate.stop();
  });

  test('stays within its bytes, in whatever script, and still keeps the last turn', async () => {
    const { memory, gate } = await openMemory();
    for (let n = 1; n <= 5; n += 1) await memory.remember(ofTenant('acme'), turn(n, 'ภาษาไทย😀'.repeat(500)));
    const turns = await memory.recall(ofTenant('acme'));
    expect(turns.at(-1)?.id).toBe('ev_5');
    const bytes = turns.reduce((sum, { asked, said }) => sum + Buffer.byteLength(asked + said), 0);
    expect(bytes).toBeLessThanOrEqual(2048);
    expect(turns.map(({ asked }) => asked).join()).not.toContain('\ufffd');
    await gate.stop();
  });

  test('of one person can be dropped without touching what others said', async () => {
    const { memory, gate } = await openMemory();
    const whose = (key: string) => ({ ...ofTenant('acme'), conversation: { name: key, key } });
    for (let n = 0; n < 40; n += 1) {
      await memory.remember(whose(`c${n}`), { ...turn(1, 'mine'), author: 'U1' });
      await memory.remember(whose(`c${n}`), { ...turn(2, 'yours'), author: 'U2' });
    }
    await memory.remember(ofTenant('other'), turn(3, 'elsewhere'));
    expect(await memory.forget('acme', ({ author }, channel) => channel === 'slack' && author === 'U1')).toBe(40);
    expect((await memory.recall(whose('c7'))).map(({ asked }) => asked)).toEqual(['yours']);
    expect(await memory.forget('acme', () => true)).toBe(40);
    expect(await keptTurns(gate.store, 'acme')).toEqual([]);
    expect(await memory.recall(ofTenant('other'))).toHaveLength(1);
    await gate.stop();
  });

  test('that is too old goes by itself, once for all workers', async () => {
    const { memory, gate } = await openMemory();
    await memory.remember(ofTenant('acme'), turn(0, 'old'));
    const stop = new AbortController();
    const lines: string[] = [];
    const logger = { ...silentLogger, info: (_: unknown, name: string) => void lines.push(name) };
    const { acquire } = gate.store.lease;
    const parts = { memory, tenants: ['acme', 'empty'], ageMs: 1_000, acquire, logger };
    for (const _ of [1, 2]) startForgetting({ ...parts, clock: () => 2_000 }, stop.signal, 30);
    await vi.waitFor(async () => expect(await keptTurns(gate.store, 'acme')).toEqual([]), { timeout: PATIENCE_MS });
    await vi.waitFor(() => expect(lines).toEqual(['memory.forgotten']), { timeout: PATIENCE_MS });
    stop.abort();
    await gate.stop();
  });

  test('is bounded in what is read, too: a bound that was lowered holds at once', () => {
    const turns = [1, 2, 3].map((n) => turn(n, 'abcd'));
    const bounds = { turns: 10, bytes: 1000, ageMs: 10 };
    expect(within(bounds, 3, turns)).toHaveLength(3);
    expect(within({ ...bounds, turns: 1 }, 3, turns).map(({ at }) => at)).toEqual([3]);
    expect(within({ ...bounds, bytes: 20 }, 3, turns).map(({ at }) => at)).toEqual([2, 3]);
    expect(within(bounds, 12, turns).map(({ at }) => at)).toEqual([2, 3]);
  });
});
