import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { nodeCrypto } from '../../../../src/core/crypto/crypto.node.ts';
import { SallyportError } from '../../../../src/core/errors.ts';
import type { EventRecord } from '../../../../src/core/event.ts';
import { createIdentifier } from '../../../../src/core/identity.ts';
import type { ErasedPage, Person } from '../../../../src/queue/erasure.ts';
import type { Store } from '../../../../src/queue/store.ts';
import { createMemory } from '../../../../src/workers/agents/memory/memory.ts';
import { acceptOne } from '../../../contracts/harness.ts';
import { keptTurns } from '../../../support/assistant.ts';
import { wholeChain } from '../../../support/audit.ts';
import { createEventMaker } from '../../../support/events.ts';
import { type Gate, type GateOptions, JWT_SECRET, openGate } from '../../../support/gate.ts';
import { answered, message, postSlack } from '../../../support/slack.ts';

let gate: Gate;
beforeEach(async () => {
  gate = await openGate();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await gate.stop();
});

async function reopen(options: GateOptions): Promise<void> {
  await gate.stop();
  gate = await openGate(options);
}

/** Options of a gate whose store's erasure is this one. */
const erasing = (erase: (person: Person, cursor: string | undefined, store: Store) => Promise<ErasedPage>) => ({
  over: (store: Store): Store => ({
    ...store,
    erasure: { ...store.erasure, erase: (person, cursor) => erase(person, cursor, store) },
  }),
});

async function erase(path: string, scope = 'users:erase') {
  const bearer = await new SignJWT({ tenant: 'default', scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('op')
    .setExpirationTime('10m')
    .sign(Buffer.from(JWT_SECRET));
  const request = new Request(`http://gate.test/users/${path}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${bearer}` },
  });
  const { status, body } = await answered(await gate.app.request(request));
  return { status, json: JSON.parse(body) };
}

const event = createEventMaker(Date.now);
const accept = (id: string, overrides = {}) =>
  acceptOne(gate.store, event({ tenant: 'default', author: { id, kind: 'user' }, ...overrides }));
const recordOf = async (id: string): Promise<EventRecord | null> => gate.store.events.get('default', id);

describe('who is erased', () => {
  test('is the person whom the path names on that channel', async () => {
    const [mine, onTeams, other] = [await accept('U1'), await accept('U1', { channel: 'teams' }), await accept('U2')];
    expect(await erase('slack/U1')).toMatchObject({ status: 200, json: { events: 1, cancelled: 1, complete: true } });
    expect((await recordOf(mine.id))?.state).toBe('ignored');
    expect((await recordOf(onTeams.id))?.event.text).not.toBe('');
    expect((await recordOf(other.id))?.event.text).not.toBe('');
  });

  test.each([
    ['an address in another case', 'gmail', 'Ada.L@Example.org', 'gmail/ada.l%40EXAMPLE.org'],
    ['an id with a colon', 'teams', '29:1-abc_DEF', 'teams/29:1-abc_DEF'],
    ['a subject with a bar', 'chat', 'idp|17', 'chat/idp%7c17'],
    ['an id with a slash, in the query', 'chat', 'spiffe://corp/ada', 'chat/-?user=spiffe%3A%2F%2Fcorp%2Fada'],
  ])('%s', async (_, channel, id, path) => {
    await accept(id, { channel });
    expect(await erase(path)).toMatchObject({ status: 200, json: { events: 1 } });
  });

  test.each([
    ['an unknown channel', 'fax/U1', 404, 'ERR_NOT_FOUND'],
    ['a user in both places', 'slack/U1?user=U2', 400, 'ERR_INVALID_REQUEST'],
    ['a user in neither', 'slack/-', 400, 'ERR_INVALID_REQUEST'],
    ['an unknown query', 'slack/U1?tenant=acme', 400, 'ERR_INVALID_REQUEST'],
    ['a cursor that is none', 'slack/U1?cursor=a%20b', 400, 'ERR_INVALID_REQUEST'],
    ['a cursor of another store', 'slack/U1?cursor=17', 400, 'ERR_INVALID_REQUEST'],
  ])('is nobody with %s', async (_, path, status, code) => {
    const mine = await accept('U1');
    expect(await erase(path)).toMatchObject({ status, json: { code } });
    expect((await recordOf(mine.id))?.state).toBe('queued');
  });

  test('is nobody without the scope', async () => {
    const mine = await accept('U1');
    expect(await erase('slack/U1', 'events:write tokens:revoke')).toMatchObject({ status: 403 });
    expect((await recordOf(mine.id))?.state).toBe('queued');
  });

  test('may be somebody the gate never heard of', async () => {
    expect(await erase('slack/U404')).toMatchObject({
      status: 200,
      json: { complete: true, events: 0, cancelled: 0, turns: 0, answers: 0 },
    });
  });

  test('is known where only the reader of the channel finds out who wrote', async () => {
    await reopen({
      reader: {
        read: async () => ({
          kind: 'task',
          content: { author: { id: 'ada@example.org', kind: 'user' }, text: 'c4n4ry', payload: {} },
        }),
      },
      agent: { name: 'test', run: async ({ event: { text } }) => ({ kind: 'reply', text }) },
    });
    const mail = await accept('unknown', { author: { id: 'unknown', kind: 'unknown' } });
    await gate.drain({ tenant: 'default', key: mail.conversation.key });
    expect((await recordOf(mail.id))?.runs[0]?.reply?.text).toBe('c4n4ry');
    expect(await erase('slack/Ada@example.org')).toMatchObject({ status: 200, json: { events: 1, cancelled: 0 } });
    expect(JSON.stringify(await recordOf(mail.id))).not.toContain('c4n4ry');
  });
});

describe('the audit of an erasure', () => {
  test('is written before anything is erased, and does not say who it was', async () => {
    const seen: string[] = [];
    await reopen(
      erasing(async (person, cursor, store) => {
        seen.push(...(await store.audit.read('default', { from: 1, limit: 10 })).map(({ action }) => action));
        return store.erasure.erase(person, cursor);
      }),
    );
    await accept('UADA');
    const { json } = await erase('slack/UADA');
    expect(seen).toEqual(['user.erased']);
    const counts = { events: 1, cancelled: 1, turns: 0, answers: 0 };
    const chain = await wholeChain(gate.store);
    expect(chain.map(({ actor, action, subject, data }) => [actor, action, subject, data])).toEqual([
      ['user:op', 'user.erased', json.id, { channel: 'slack' }],
      ['user:op', 'user.erasure_finished', json.id, { channel: 'slack', complete: true, ...counts }],
    ]);
    expect(JSON.stringify(chain)).not.toContain('UADA');
  });

  test('has another subject for another person, and the same for another spelling of an address', async () => {
    const idOf = async (path: string) => (await erase(path)).json.id;
    const ids = [await idOf('gmail/a@x.org'), await idOf('graph/a@x.org'), await idOf('gmail/b@x.org')];
    expect(new Set(ids).size).toBe(3);
    expect(await idOf('gmail/A@X.org')).toBe(ids[0]);
  });

  test('that cannot be written: nothing is erased', async () => {
    await reopen({
      over: (store) => ({
        ...store,
        audit: {
          ...store.audit,
          append: async () => {
            throw new SallyportError('ERR_STORE_UNAVAILABLE', 'away');
          },
        },
      }),
    });
    const mine = await accept('U1');
    expect(await erase('slack/U1')).toMatchObject({ status: 503 });
    expect((await recordOf(mine.id))?.state).toBe('queued');
  });
});

describe('a large tenant', () => {
  test('is gone through in several calls, each of which says where the next goes on', async () => {
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const cursors: (string | undefined)[] = [];
    await reopen(
      erasing(async (_, cursor) => {
        cursors.push(cursor);
        now += 4_000;
        return { events: 1, cancelled: 0, ...(cursors.length < 5 ? { cursor: String(cursors.length) } : {}) };
      }),
    );
    const first = await erase('slack/U1');
    expect(first.json).toMatchObject({ complete: false, cursor: '3', events: 3, files: 'pending' });
    const second = await erase(`slack/U1?cursor=${first.json.cursor}`);
    expect(second.json).toMatchObject({ complete: true, cursor: null, events: 2 });
    expect(cursors).toEqual([undefined, '1', '2', '3', '4']);
    const told = (await wholeChain(gate.store)).filter(({ action }) => action === 'user.erasure_finished');
    expect(told.map(({ data }) => [data.complete, data.events])).toEqual([
      [false, 3],
      [true, 2],
    ]);
  });
});

test('a reply that is on its way while its event is erased is not remembered', async () => {
  const { digest } = createIdentifier(nodeCrypto, new Uint8Array(32).fill(7));
  const bounds = { turns: 20, bytes: 65_536, ageMs: 86_400_000 };
  const erased: unknown[] = [];
  await reopen({
    agent: { name: 'test', remembers: true, run: async ({ event: { text } }) => ({ kind: 'reply', text }) },
    memoryOver: ({ records }) => createMemory({ records, digest, clock: Date.now, bounds }),
    replier: {
      find: async () => 'absent',
      async send(_, { begin }) {
        await begin();
        erased.push((await erase('slack/U1')).json.cancelled);
        return { kind: 'delivered' };
      },
    },
  });
  const { eventId } = await postSlack(gate.app, message({ text: 'c4n4ry', user: 'U1', channel: 'D0000001' }));
  const record = await recordOf(eventId ?? '');
  await gate.drain({ tenant: 'default', key: record?.event.conversation.key ?? '' });
  expect(erased).toEqual([1]);
  expect(await keptTurns(gate.store)).toEqual([]);
  expect(await recordOf(eventId ?? '')).toMatchObject({ state: 'ignored', failure: { code: 'ERR_ERASED' } });
});
