import { Hono } from 'hono';
import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { HeldReply, InboundEvent } from '../../../../src/core/event.ts';
import { createBudgetOverrides } from '../../../../src/queue/records/budget-overrides.ts';
import { createKeeperReports } from '../../../../src/queue/records/keeper-reports.ts';
import { createPolicyVersions } from '../../../../src/queue/records/policy-versions.ts';
import type { Revocation } from '../../../../src/queue/records/revocations.ts';
import type { Store } from '../../../../src/queue/store.ts';
import { createEndpoint } from '../../../../src/server/api/endpoint.ts';
import { mountSubscriptions } from '../../../../src/server/api/subscriptions.ts';
import type { App } from '../../../../src/server/http/context.ts';
import { acceptOne, parkOne, takeHead } from '../../../contracts/harness.ts';
import { authorizeOver, revocationsOver } from '../../../support/authorize.ts';
import { conversationOf, createEventMaker, runEnding } from '../../../support/events.ts';
import { type Gate, JWT_SECRET, openGate } from '../../../support/gate.ts';

/** The tenant is the token's. Nothing else in a request may choose one: every route of the API is asked in every way. */

const OTHER = 'globex';
const MARK = 'c4n4ry';
const DIGEST = 'digest-of-the-other';

let gate: Gate;
let app: App;
let parked: InboundEvent;
let held: InboundEvent;
let revoked: Revocation;

beforeEach(async () => {
  gate = await openGate();
  const { store } = gate;
  app = new Hono();
  app.route('/', gate.app);
  mountSubscriptions({
    reports: createKeeperReports(store.records),
    endpoint: createEndpoint(
      authorizeOver(store, { settings: { jwtSecret: JWT_SECRET } }),
      (_c, _caller, _asked, work) => work(),
    ),
    clock: Date.now,
  })(app);
  await fill(store);
});
afterEach(() => gate.stop());

/** Something of the other tenant behind every route. */
async function fill(store: Store): Promise<void> {
  const event = createEventMaker(Date.now);
  const theirs = () => event({ tenant: OTHER, text: MARK, author: { id: MARK, kind: 'user' } });
  parked = await parkOne(store, theirs());
  held = await acceptOne(store, theirs());
  const { lease } = await takeHead(store, conversationOf(held));
  const review: HeldReply = {
    ...{ text: MARK, digest: DIGEST, version: 1, generation: 1, heldAt: Date.now(), requester: held.author },
    expiresAt: Date.now() + 3_600_000,
  };
  await store.lease.finish(lease, { kind: 'review', run: runEnding('review'), review }, false);
  await store.audit.append(OTHER, [
    { at: Date.now(), actor: 'system', action: 'event.parked', subject: MARK, data: { code: 'ERR_INTERNAL' } },
  ]);
  await createBudgetOverrides(store.records).write(OTHER, 'tenant', { tokens: { day: 123_456_789 } });
  const revocations = revocationsOver(store);
  const id = revocations.idOf({ kind: 'sub', name: MARK });
  revoked = await revocations.add(OTHER, { id, kind: 'sub', name: MARK, before: 1, revokedAt: Date.now(), by: MARK });
  await createKeeperReports(store.records).write(OTHER, 'task', { channel: 'graph', at: 1, sources: [] });
}

async function snapshot({ store }: Gate) {
  return {
    events: await store.events.list(OTHER, { limit: 200 }),
    audit: await store.audit.read(OTHER, { from: 1, limit: 1_000 }),
    budgets: await createBudgetOverrides(store.records).read(OTHER),
    isKilled: (await store.ledger.killed()).has(OTHER),
    revocations: await revocationsOver(store).list(OTHER),
    policy: await createPolicyVersions(store.records).current(OTHER),
    reports: await createKeeperReports(store.records).read(OTHER),
    wish: await createKeeperReports(store.records).syncRequestedAt(OTHER),
  };
}

/** What each route that changes something takes, so that nothing but the tenant could be wrong. */
const bodies: Readonly<Record<string, object>> = {
  'POST /chat': { text: 'hello' },
  'POST /revocations': { sub: 'somebody' },
  'POST /events/:id/resolve': { effect: 'reply', outcome: 'delivered' },
  'POST /budgets/kill': { on: true },
  'PUT /budgets/:scope': { tokens: { day: 7 } },
  'POST /reviews/:id/approve': { digest: DIGEST },
  'POST /reviews/:id/edit': { digest: DIGEST, text: 'mine' },
  'POST /reviews/:id/reject': { digest: DIGEST },
};

const SCOPES =
  'events:read events:write subscriptions:read subscriptions:write budgets:read budgets:write reviews:read reviews:decide audit:read guardrails:write chat:read chat:write tokens:revoke users:erase';

/** Routes at which no tenant's data can be asked for, and why. */
const withoutTenant: Readonly<Record<string, string>> = {
  'GET /openapi.json': 'a document that is the same for everybody',
};

/** Every route of the app but the hooks, whose tenant is in the path: one that is added is asked too. */
function routes(): { method: string; path: string }[] {
  const found = app.routes.filter(
    ({ method, path }) => method !== 'ALL' && withoutTenant[`${method} ${path}`] === undefined,
  );
  return [...new Map(found.map(({ method, path }) => [`${method} ${path}`, { method, path }])).values()];
}

interface Way {
  readonly name: string;
  readonly query?: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

const ways: readonly Way[] = [
  { name: 'no other way' },
  { name: 'the query', query: `tenant=${OTHER}` },
  { name: 'the query, twice', query: `tenant=default&tenant=${OTHER}` },
  { name: 'the query, as a list', query: `tenant[]=${OTHER}` },
  { name: 'the query, by another name', query: `tenantId=${OTHER}&tenant_id=${OTHER}` },
  { name: 'the body', body: { tenant: OTHER } },
  { name: 'a header', headers: { 'x-tenant': OTHER, 'x-sallyport-tenant': OTHER, tenant: OTHER } },
  { name: 'a cookie', headers: { cookie: `tenant=${OTHER}` } },
];

async function ask({ method, path }: { method: string; path: string }, way: Way) {
  const isHeld = path.startsWith('/reviews') || path.endsWith('/resolve');
  const id = path.startsWith('/revocations') ? revoked.id : isHeld ? held.id : parked.id;
  const url = `http://gate.test${path.replace(':id', id).replace(':scope', 'tenant').replace(':channel', 'slack').replace(':user', MARK)}`;
  const bearer = await new SignJWT({ tenant: 'default', scope: SCOPES })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('mallory')
    .setExpirationTime('10m')
    .sign(Buffer.from(JWT_SECRET));
  const base = bodies[`${method} ${path}`];
  const body = base === undefined && way.body === undefined ? undefined : { ...base, ...way.body };
  const response = await app.request(`${url}${way.query === undefined ? '' : `?${way.query}`}`, {
    method,
    headers: {
      authorization: `Bearer ${bearer}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...way.headers,
    },
    ...(body === undefined || method === 'GET' ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

describe('a token for one tenant and a request for another', () => {
  test('concerns every route', () => {
    // A route that is added needs a line here, and where it takes a body or an id, what it takes above.
    expect(
      routes()
        .map(({ method, path }) => `${method} ${path}`)
        .sort(),
    ).toEqual(
      [
        'GET /events',
        'GET /events/:id',
        'POST /events/:id/park',
        'POST /events/:id/redrive',
        'POST /events/:id/resolve',
        'GET /reviews',
        'GET /reviews/:id',
        'POST /reviews/:id/approve',
        'POST /reviews/:id/edit',
        'POST /reviews/:id/reject',
        'GET /audit',
        'GET /budgets',
        'POST /budgets/kill',
        'PUT /budgets/:scope',
        'POST /guardrails/invalidate',
        'GET /subscriptions',
        'POST /subscriptions/sync',
        'POST /chat',
        'GET /chat/:id',
        'GET /revocations',
        'POST /revocations',
        'DELETE /revocations/:id',
        'DELETE /users/:channel/:user',
      ].sort(),
    );
  });

  test.each(ways)('shows and changes nothing of the other: $name', async (way) => {
    const before = await snapshot(gate);
    expect(before.events.events).toHaveLength(2);
    for (const route of routes()) {
      const { status, text } = await ask(route, way);
      const what = `${route.method} ${route.path} ${status} ${text}`;
      expect(status, what).toBeLessThan(500);
      expect(status, what).not.toBe(401);
      for (const secret of [MARK, DIGEST, '123456789', parked.id, held.id, revoked.id])
        expect(text, what).not.toContain(secret);
      if (route.path.includes(':id')) expect([400, 404], what).toContain(status);
      expect(await snapshot(gate), what).toEqual(before);
    }
  });

  test('works on its own tenant all the same', async () => {
    const statuses = [];
    for (const route of routes().filter(({ path }) => !path.includes(':id'))) {
      statuses.push((await ask(route, { name: 'plain' })).status);
    }
    expect(
      statuses.every((status) => status >= 200 && status < 300),
      String(statuses),
    ).toBe(true);
    expect((await gate.store.ledger.killed()).has('default')).toBe(true);
  });
});
