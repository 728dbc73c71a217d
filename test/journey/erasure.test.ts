import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { SallyportError } from '../../src/core/errors.ts';
import { createIdentifier } from '../../src/core/identity.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import type { Agent } from '../../src/workers/agent.ts';
import { createMemory } from '../../src/workers/agents/memory/memory.ts';
import { wholeChain } from '../support/audit.ts';
import { everyByte, everyKey, holds, type Places } from '../support/canary/search.ts';
import { type Gate, JWT_SECRET, openGate } from '../support/gate.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { createTestStores } from '../support/redis-store.ts';
import { answered, message, postSlack } from '../support/slack.ts';

/** What one person said, and what another one said in the same conversation. */
const ADA = 'UADA00001';
const MARK = 'c4n4ry-of-ada';
const OTHERS = 'c4n4ry-of-grace';

const identifier = createIdentifier(nodeCrypto, new Uint8Array(32).fill(7));

/** Says back what it was told, after a step of its own; some of it to a person first, and some of it never. */
const agent: Agent = {
  name: 'test',
  remembers: true,
  async run({ event }, { steps }) {
    await steps.record('tool:1', { kind: 'result', value: { found: `a page about ${event.text}` } });
    if (event.text.includes('fail')) throw new SallyportError('ERR_AGENT_REJECTED', 'no');
    const reply = { kind: 'reply', text: `you said ${event.text}` } as const;
    return event.text.includes('hold') ? { ...reply, review: true } : reply;
  },
};

interface Driver {
  open(): Promise<{
    readonly store: Store;
    /** Everything that is in the store, raw. */
    places(): Promise<Places>;
    readonly files: 'clean' | 'pending';
    close(): Promise<void>;
  }>;
}

const embedded: Driver = {
  async open() {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-erasure-'));
    const path = join(folder, 'sallyport.db');
    const store = await openEmbeddedStore({ path, limits: defaultLimits, idCheck: 'check', logger: silentLogger });
    return {
      store,
      places: () => everyByte(folder),
      files: 'clean',
      close: () => rm(folder, { recursive: true, force: true }),
    };
  },
};

function erasureOf(name: string, driver: Driver): void {
  describe(name, () => {
    let gate: Gate;
    let opened: Awaited<ReturnType<Driver['open']>>;
    afterEach(async () => {
      await gate?.stop();
      await opened?.close();
    });

    async function call(method: string, path: string, headers: Record<string, string> = {}, body?: object) {
      const scope = 'events:read events:write reviews:read reviews:decide users:erase';
      const bearer = await new SignJWT({ tenant: 'default', scope })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject('operator')
        .setExpirationTime('10m')
        .sign(Buffer.from(JWT_SECRET));
      const init = {
        method,
        headers: { authorization: `Bearer ${bearer}`, ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      };
      const { status, body: text } = await answered(
        await gate.app.request(new Request(`http://gate.test${path}`, init)),
      );
      return { status, json: JSON.parse(text) };
    }

    const work = async (id: string): Promise<void> => {
      const record = await opened.store.events.get('default', id);
      await gate.drain({ tenant: 'default', key: record?.event.conversation.key ?? '' });
    };

    test('leaves nothing that the person said or that was made of it, anywhere in the store', async () => {
      opened = await driver.open();
      const { store } = opened;
      gate = await openGate({
        store,
        agent,
        memoryOver: ({ records }) => {
          const bounds = { turns: 20, bytes: 65_536, ageMs: 86_400_000 };
          return createMemory({ records, digest: identifier.digest, clock: Date.now, bounds });
        },
      });
      const payloads = ['hello', 'hold', 'fail', 'queued'].map((word, n) =>
        message({ text: `${word} ${MARK}`, user: ADA, channel: `D000000${n}` }),
      );
      const ids: string[] = [];
      for (const payload of payloads) ids.push((await postSlack(gate.app, payload)).eventId ?? '');
      const [spoken = '', held = '', failed = '', queued = ''] = ids;
      for (const id of [spoken, held, failed]) await work(id);
      const grace = message({ text: `hello ${OTHERS}`, user: 'UGRACE001', channel: 'D0000000' });
      const ofGrace = (await postSlack(gate.app, grace)).eventId ?? '';
      await work(ofGrace);

      const { json: review } = await call('GET', `/reviews/${held}`);
      const edit = { digest: review.digest, text: `better: ${MARK}` };
      const once = { 'idempotency-key': '"edit-1"' };
      expect((await call('POST', `/reviews/${held}/edit`, once, edit)).json.text).toContain(MARK);
      const states = async () =>
        Promise.all([...ids, ofGrace].map(async (id) => (await store.events.get('default', id))?.state));
      expect(await states()).toEqual(['done', 'review', 'parked', 'queued', 'done']);
      const before = holds(await opened.places(), { [MARK]: MARK, [OTHERS]: OTHERS });
      expect(before.length).toBeGreaterThan(1);

      const { status, json } = await call('DELETE', `/users/slack/${ADA}`);
      expect([status, json]).toEqual([
        200,
        {
          id: expect.stringMatching(/^user_[\w-]{22}$/),
          complete: true,
          cursor: null,
          ...{ events: 4, cancelled: 3, turns: 1, answers: 1 },
          files: opened.files,
        },
      ]);
      const places = await opened.places();
      expect(holds(places, { [MARK]: MARK })).toEqual([]);
      expect(holds(places, { [OTHERS]: OTHERS })).not.toEqual([]);
      expect(await states()).toEqual(['done', 'ignored', 'ignored', 'ignored', 'done']);

      // A late delivery runs nothing, and nothing that was cancelled runs.
      for (const [n, payload] of payloads.entries()) {
        expect(await postSlack(gate.app, payload)).toMatchObject({ outcome: 'duplicate', eventId: ids[n] });
        await work(ids[n] ?? '');
      }
      expect(await states()).toEqual(['done', 'ignored', 'ignored', 'ignored', 'done']);
      expect(await call('POST', `/reviews/${held}/edit`, once, edit)).toMatchObject({
        status: 410,
        json: { code: 'ERR_ERASED' },
      });
      expect(await call('GET', `/reviews/${held}`)).toMatchObject({ status: 404 });
      expect(await call('GET', `/events/${queued}`)).toMatchObject({
        status: 200,
        json: { state: 'ignored', failure: { code: 'ERR_ERASED' }, erasedAt: expect.any(String) },
      });
      expect(await call('POST', `/events/${failed}/redrive`)).toMatchObject({ json: { code: 'ERR_WRONG_STATE' } });
      expect(holds(await opened.places(), { [MARK]: MARK })).toEqual([]);

      // Again, as after a process that died in the middle.
      expect((await call('DELETE', `/users/slack/${ADA}`)).json).toMatchObject({
        ...{ id: json.id, complete: true },
        ...{ events: 0, cancelled: 0, turns: 0, answers: 0 },
      });

      const erasures = (await wholeChain(store)).filter(({ action }) => action.startsWith('user.'));
      expect(erasures.map(({ action, actor, subject }) => [action, actor, subject])).toEqual(
        [0, 1].flatMap(() => [
          ['user.erased', 'user:operator', json.id],
          ['user.erasure_finished', 'user:operator', json.id],
        ]),
      );
      expect(JSON.stringify(erasures)).not.toContain(ADA);
    });
  });
}

erasureOf('embedded', embedded);

describeRedis('redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  erasureOf('one shard', {
    async open() {
      const stores = createTestStores();
      return {
        store: await stores.open(server.url),
        places: () => everyKey(server.url),
        files: 'pending',
        close: () => stores.close(),
      };
    },
  });
});
