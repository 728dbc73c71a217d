import { createHmac, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startIngress } from '../../src/app/ingress.node.ts';
import { openRuntime, type Runtime } from '../../src/app/runtime.node.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { HeldReply } from '../../src/core/event.ts';
import type { Scope } from '../../src/core/scope.ts';
import type { Log } from '../../src/ops/log.ts';
import { createBudgetOverrides } from '../../src/queue/records/budget-overrides.ts';
import type { App } from '../../src/server/http/context.ts';
import { type KeyServer, startKeyServer } from '../../src/testing/keys/key-server.ts';
import { type Claims, createSigningKey, forgeToken, signToken } from '../../src/testing/keys/signing-key.ts';
import { acceptOne, parkOne, takeHead } from '../contracts/harness.ts';
import { wholeChain } from '../support/audit.ts';
import { conversationOf, createEventMaker, runEnding } from '../support/events.ts';

/**
 * Every route of the composed product is tried with every kind of bad token. A route that is added fails the first test
 * until its access is written down here.
 */
type Access =
  /** Of the API: a token with this scope. `body` is one that is right in everything but what is tried. */
  | { readonly scope: Scope; readonly body?: object }
  /** Anyone may ask. */
  | 'open'
  /** The token of `SALLYPORT_METRICS_TOKEN`. */
  | 'metrics'
  /** The sender's own proof; a token of the API is none. `example` is a path that is configured. */
  | {
      readonly proof: 'own';
      readonly method: string;
      readonly example: string;
      readonly headers?: Readonly<Record<string, string>>;
    };

const DIGEST = 'digest-of-the-other';

const table: Readonly<Record<string, Access>> = {
  'ALL /hooks/*': { proof: 'own', method: 'POST', example: '/hooks/slack/default' },
  'ALL /callbacks/:run': {
    proof: 'own',
    method: 'POST',
    example: '/callbacks/default.http.ev_00000000000000000000000000.1',
  },
  'ALL /relay': {
    ...{ proof: 'own', method: 'POST', example: '/relay' },
    headers: { 'x-sallyport-relay-version': '1' },
  },
  'GET /health': 'open',
  'GET /openapi.json': 'open',
  'GET /ready': 'open',
  'GET /metrics': 'metrics',
  'GET /events': { scope: 'events:read' },
  'GET /events/:id': { scope: 'events:read' },
  'POST /events/:id/redrive': { scope: 'events:write' },
  'POST /events/:id/resolve': { scope: 'events:write', body: { effect: 'reply', outcome: 'delivered' } },
  'POST /events/:id/park': { scope: 'events:write' },
  'POST /chat': { scope: 'chat:write', body: { text: 'hello' } },
  'GET /chat/:id': { scope: 'chat:read' },
  'GET /audit': { scope: 'audit:read' },
  'GET /reviews': { scope: 'reviews:read' },
  'GET /reviews/:id': { scope: 'reviews:read' },
  'POST /reviews/:id/approve': { scope: 'reviews:decide', body: { digest: DIGEST } },
  'POST /reviews/:id/edit': { scope: 'reviews:decide', body: { digest: DIGEST, text: 'mine' } },
  'POST /reviews/:id/reject': { scope: 'reviews:decide', body: { digest: DIGEST } },
  'GET /subscriptions': { scope: 'subscriptions:read' },
  'POST /subscriptions/sync': { scope: 'subscriptions:write' },
  'POST /guardrails/invalidate': { scope: 'guardrails:write' },
  'POST /revocations': { scope: 'tokens:revoke', body: { sub: 'a-subject' } },
  'GET /revocations': { scope: 'tokens:revoke' },
  'DELETE /revocations/:id': { scope: 'tokens:revoke' },
  'DELETE /users/:channel/:user': { scope: 'users:erase' },
  'GET /budgets': { scope: 'budgets:read' },
  'PUT /budgets/:scope': { scope: 'budgets:write', body: { tokens: { day: 7 } } },
  'POST /budgets/kill': { scope: 'budgets:write', body: { on: false } },
};

const ISSUER = 'https://issuer.example/';
const AUDIENCE = 'sallyport';
const SECRET = 'a-secret-of-at-least-thirty-two-bytes';
/** Stands in every token and in the other tenant's data: no answer to a bad token may hold it. */
const MARK = 'c4n4ry';
const OTHER = 'globex';

const issuerKey = createSigningKey({ kid: 'issuer-1' });
const strangers = generateKeyPairSync('rsa', { modulusLength: 2048 });
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function hs256(claims: Claims, secret: string | Buffer = SECRET, header: Claims = {}): string {
  const input = `${encode({ alg: 'HS256', ...header })}.${encode(claims)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

/** The two ways to verify tokens, and how to sign for each, honestly and not. */
interface Kind {
  readonly name: string;
  readonly settings: (keys: KeyServer) => Record<string, string>;
  readonly sign: (claims: Claims) => string;
  /** Signed with what is public. */
  readonly confuse: (claims: Claims) => string;
}

const named = { SALLYPORT_JWT_ISSUER: ISSUER, SALLYPORT_JWT_AUDIENCE: AUDIENCE };

const kinds: readonly Kind[] = [
  {
    name: 'keys of an issuer',
    settings: ({ jwksUrl }) => ({ ...named, SALLYPORT_JWT_JWKS_URL: jwksUrl }),
    sign: (claims) => signToken(claims, issuerKey),
    confuse: (claims) => forgeToken(claims, issuerKey, 'hs256-public-key'),
  },
  {
    name: 'a secret',
    settings: () => ({ ...named, SALLYPORT_JWT_SECRET: SECRET }),
    sign: (claims) => hs256(claims),
    confuse: (claims) =>
      signToken(claims, { ...issuerKey, ...strangers }, { jwk: strangers.publicKey.export({ format: 'jwk' }) }),
  },
];

let keys: KeyServer;
beforeAll(async () => {
  keys = await startKeyServer([issuerKey]);
});
afterAll(() => keys?.stop());

interface Served {
  readonly url: string;
  readonly routes: App['routes'];
  readonly runtime: Runtime;
  /** Names of the log's lines so far. */
  readonly logged: () => readonly { readonly name: string; readonly fields: Readonly<Record<string, unknown>> }[];
  stop(): Promise<void>;
}

async function serve(settings: Record<string, string | undefined>): Promise<Served> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-routes-'));
  const base64 = Buffer.alloc(32, 7).toString('base64');
  const tenant = { slack: { signingSecrets: ['8f742231b10e8888abcd99yyyzzz85a5'] } };
  const loaded = loadConfig(
    { tenants: { default: tenant, [OTHER]: tenant } },
    {
      ...{ SALLYPORT_SEAL_KEY: base64, SALLYPORT_ID_KEY: base64, LOG_LEVEL: 'silent', PORT: '0', HOST: '127.0.0.1' },
      SALLYPORT_DATA_DIR: folder,
      SALLYPORT_METRICS_TOKEN: 'a-token-for-metrics-only',
      SALLYPORT_RELAY_KEY: Buffer.alloc(32, 3).toString('base64'),
      // Refusals are counted here, not limited.
      SALLYPORT_API_FAILURES: '1000000/15m',
      SALLYPORT_AGENT_URL: 'http://127.0.0.1:9/',
      SALLYPORT_AGENT_SECRET: `whsec_${base64}`,
      ...settings,
    },
    'all',
  );
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  const opened = await openRuntime(loaded.config, 'all', false);
  const lines: { name: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const write = (fields: Readonly<Record<string, unknown>>, name: string) => void lines.push({ name, fields });
  const log: Log = { debug: write, info: write, warn: write, error: write, flush() {} };
  const runtime = { ...opened, log };
  const ingress = await startIngress(runtime);
  return {
    url: `http://127.0.0.1:${ingress.port}`,
    routes: ingress.app.routes,
    runtime,
    logged: () => lines,
    async stop() {
      await ingress.close(1_000);
      runtime.ready.stop();
      await runtime.clients.close(1_000);
      await runtime.store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const now = (): number => Math.floor(Date.now() / 1000);
let subjects = 0;

/** An honest token's claims, of a subject that no other token has. */
function claimsFor(scope: string, more: Claims = {}): Claims {
  subjects += 1;
  const [iat, exp] = [now() - 5, now() + 600];
  return { iss: ISSUER, aud: AUDIENCE, sub: `${MARK}-${subjects}`, tenant: 'default', scope, iat, exp, ...more };
}

describe.each(kinds)('with $name', ({ settings, sign, confuse }) => {
  let served: Served;
  /** Ids of the other tenant's: whatever a path names, it exists. */
  const foreign: Record<string, string> = {};

  beforeAll(async () => {
    served = await serve(settings(keys));
    const { store, identifier, config } = served.runtime;
    const event = createEventMaker(Date.now);
    const theirs = () => event({ tenant: OTHER, text: MARK, author: { id: MARK, kind: 'user' } });
    foreign.event = (await parkOne(store, theirs())).id;
    const held = await acceptOne(store, theirs());
    const { lease } = await takeHead(store, conversationOf(held));
    const review: HeldReply = {
      ...{ text: MARK, digest: DIGEST, version: 1, generation: 1, heldAt: Date.now(), requester: held.author },
      expiresAt: Date.now() + 3_600_000,
    };
    await store.lease.finish(lease, { kind: 'review', run: runEnding('review'), review }, false);
    foreign.review = held.id;
    const { openRevocations } = await import('../../src/app/api-tokens.ts');
    const revocations = openRevocations({ config, identifier, store } as Runtime);
    foreign.revocation = revocations.idOf({ kind: 'sub', name: MARK });
    const entry = { before: Date.now(), revokedAt: Date.now(), by: MARK };
    await revocations.add(OTHER, { ...entry, id: foreign.revocation, kind: 'sub', name: MARK });
    await revocations.add('default', { ...entry, id: revocations.idOf({ kind: 'jti', name: 'revoked' }), kind: 'jti' });
    await createBudgetOverrides(store.records).write(OTHER, 'tenant', { tokens: { day: 123_456_789 } });
  });
  afterAll(() => served?.stop());

  const refusals = async (): Promise<ReadonlyMap<string, number>> => {
    const text = await served.runtime.metrics.render();
    const found = text.matchAll(/^sallyport_refusals_total\{surface="(\w+)",reason="(\w+)"\} (\d+)$/gm);
    return new Map([...found].map(([, surface, reason, count]) => [`${surface} ${reason}`, Number(count)]));
  };

  /** Where the route's parameters name what the other tenant has. */
  const pathOf = (route: string): string => {
    const path = route.split(' ')[1] ?? '';
    const id = path.startsWith('/reviews')
      ? foreign.review
      : path.startsWith('/revocations')
        ? foreign.revocation
        : foreign.event;
    return path
      .replace(':id', id ?? '')
      .replace(':scope', 'tenant')
      .replace(':channel', 'slack')
      .replace(':user', MARK);
  };

  const ask = async (route: string, token: string | null, { query = '', body = {} as object | undefined } = {}) => {
    const [method = ''] = route.split(' ');
    const answer = await fetch(`${served.url}${pathOf(route)}${query}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(method === 'GET' ? {} : { 'content-type': 'application/json' }),
      },
      ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  };

  const ofApi = Object.entries(table).flatMap(([route, access]) =>
    typeof access === 'object' && 'scope' in access ? [{ route, scope: access.scope, body: access.body }] : [],
  );

  test('every route of the product is in the table, and nothing else is', () => {
    const routes = new Set(served.routes.map(({ method, path }) => `${method} ${path}`));
    expect([...routes].toSorted(), 'write down who may use the new route').toEqual(Object.keys(table).toSorted());
  });

  test.each(ofApi)('$route is open to the scope $scope', async ({ route, scope, body }) => {
    const { status } = await ask(route, sign(claimsFor(scope)), { body });
    expect([401, 403, 500, 503]).not.toContain(status);
  });

  const without = (claim: string) => (scope: string) => sign(claimsFor(scope, { [claim]: undefined }));
  const bad: readonly (readonly [string, string, (scope: string) => string | null])[] = [
    ['no token', 'token_missing', () => null],
    ['an expired token', 'token_expired', (scope) => sign(claimsFor(scope, { iat: now() - 900, exp: now() - 120 }))],
    ['an end in the year 9999', 'token_life', (scope) => sign(claimsFor(scope, { exp: 253_402_300_799 }))],
    ['the same without iat', 'token_life', (scope) => sign(claimsFor(scope, { exp: 253_402_300_799, iat: undefined }))],
    ['a token issued tomorrow', 'token_expired', (scope) => sign(claimsFor(scope, { iat: now() + 3_600 }))],
    ['another audience', 'token_audience', (scope) => sign(claimsFor(scope, { aud: ['other', MARK] }))],
    ['another issuer', 'token_issuer', (scope) => sign(claimsFor(scope, { iss: `${ISSUER}${MARK}` }))],
    ['alg none', 'token_algorithm', (scope) => forgeToken(claimsFor(scope), issuerKey, 'alg-none')],
    ['key confusion', 'token_algorithm', (scope) => confuse(claimsFor(scope))],
    ['a stranger’s signature', 'token_signature_mismatch', (scope) => `${sign(claimsFor(scope)).slice(0, -8)}AAAAAAAA`],
    ['no subject', 'token_claim', without('sub')],
    ['no tenant', 'token_claim', without('tenant')],
    ['no scope', 'token_claim', without('scope')],
    ['no end', 'token_claim', without('exp')],
    [
      'a tenant that is not configured',
      'token_tenant',
      (scope) => sign(claimsFor(scope, { tenant: `${MARK}-tenant` })),
    ],
    ['a tenant of an object’s prototype', 'token_tenant', (scope) => sign(claimsFor(scope, { tenant: 'constructor' }))],
    ['a revoked token', 'token_revoked', (scope) => sign(claimsFor(scope, { jti: 'revoked' }))],
  ];

  describe.each(ofApi)('$route', ({ route, scope, body }) => {
    test.each(bad)('with %s: 401, %s for the operator, nothing for the caller', async (_, reason, tokenFor) => {
      const [before, lines] = [await refusals(), served.logged().length];
      const token = tokenFor(scope);
      const { status, text, headers } = await ask(route, token, { body });
      expect([status, JSON.parse(text)]).toEqual([
        401,
        {
          ...{ type: 'about:blank', title: 'Authentication is required', status: 401, code: 'ERR_UNAUTHENTICATED' },
          requestId: expect.any(String),
        },
      ]);
      expect(headers.get('www-authenticate')).toBe(token === null ? 'Bearer' : 'Bearer error="invalid_token"');
      expect(JSON.stringify([...headers])).not.toContain(MARK);
      const told = served
        .logged()
        .slice(lines)
        .filter(({ name }) => name === 'token.refused');
      expect(told.map(({ fields }) => fields)).toMatchObject([{ surface: 'api', reason, source: '127.0.0.1' }]);
      expect((await refusals()).get(`api ${reason}`)).toBe((before.get(`api ${reason}`) ?? 0) + 1);
    });

    test.each(['access_token', 'token', 'authorization', 'jwt'])(
      'with the token in the query as %s: 401',
      async (name) => {
        const lines = served.logged().length;
        const token = sign(claimsFor(scope));
        const { status, text } = await ask(route, null, { query: `?${name}=${token}`, body });
        expect([status, text.includes(token)]).toEqual([401, false]);
        expect(JSON.stringify(served.logged().slice(lines))).not.toContain(token);
      },
    );

    test('with another scope: 403, and the audit and a metric say so', async () => {
      const before = (await refusals()).get('api forbidden') ?? 0;
      const claims = claimsFor(scope === 'events:read' ? 'events:write' : 'events:read');
      const { status, text, headers } = await ask(route, sign(claims), { body });
      expect([status, JSON.parse(text).code]).toEqual([403, 'ERR_FORBIDDEN']);
      expect(headers.get('www-authenticate')).toContain(`scope="${scope}"`);
      expect((await refusals()).get('api forbidden')).toBe(before + 1);
      const entries = await wholeChain(served.runtime.store);
      expect(entries.at(-1)).toMatchObject({ actor: `user:${claims.sub}`, action: 'access.refused', subject: scope });
    });

    test('with a good token: shows and changes nothing of another tenant', async () => {
      const before = await snapshot(served.runtime);
      const { status, text } = await ask(route, sign(claimsFor(scope, { sub: 'mallory' })), { body });
      if (route.includes(':id')) expect([status, JSON.parse(text).code]).toEqual([404, 'ERR_NOT_FOUND']);
      for (const secret of [DIGEST, '123456789', ...Object.values(foreign)]) expect(text).not.toContain(secret);
      expect(await snapshot(served.runtime)).toEqual(before);
    });
  });

  test('a token of the API opens no hook, callback or metrics', async () => {
    const token = sign(claimsFor('events:read'));
    for (const [route, access] of Object.entries(table)) {
      if (typeof access !== 'object' || !('proof' in access)) continue;
      const answer = await fetch(`${served.url}${access.example}`, {
        method: access.method,
        headers: { authorization: `Bearer ${token}`, ...access.headers },
        body: '{}',
      });
      expect([route, answer.status]).toEqual([route, 401]);
    }
    const before = await refusals();
    for (const bearer of [null, token, 'wrong']) expect((await ask('GET /metrics', bearer)).status).toBe(401);
    const after = await refusals();
    const counted = (reason: string) => (after.get(`metrics ${reason}`) ?? 0) - (before.get(`metrics ${reason}`) ?? 0);
    expect([counted('token_missing'), counted('unauthenticated')]).toEqual([1, 2]);
  });
});

test('without a key of the edge, /relay is as unknown as any other path', async () => {
  const served = await serve({ SALLYPORT_JWT_SECRET: SECRET, SALLYPORT_RELAY_KEY: undefined });
  try {
    expect(served.routes.map(({ path }) => path)).not.toContain('/relay');
    for (const method of ['POST', 'GET']) {
      const [relay, unknown] = await Promise.all(
        ['/relay', '/nothing'].map(async (path) => {
          const answer = await fetch(`${served.url}${path}`, { method });
          const { requestId: _, ...body } = (await answer.json()) as { requestId: string };
          return { status: answer.status, names: [...answer.headers.keys()].toSorted(), body };
        }),
      );
      expect(relay).toEqual(unknown);
      expect(relay?.status).toBe(404);
    }
  } finally {
    await served.stop();
  }
});

async function snapshot({ store }: Runtime) {
  return {
    events: await store.events.list(OTHER, { limit: 200 }),
    audit: await store.audit.read(OTHER, { from: 1, limit: 1_000 }),
    budgets: await createBudgetOverrides(store.records).read(OTHER),
    isKilled: (await store.ledger.killed()).has(OTHER),
    revocations: await store.records.list(OTHER, 'revocations'),
    policy: await store.records.list(OTHER, 'guardrails'),
    wishes: await store.records.list(OTHER, 'keeper-wishes'),
  };
}

describe('an issuer that is away lets nobody in, and blames nobody', () => {
  const NOWHERE = 'http://127.0.0.1:9/';
  const introspection = {
    SALLYPORT_JWT_INTROSPECTION_CLIENT_ID: 'gate',
    SALLYPORT_JWT_INTROSPECTION_CLIENT_SECRET: 'a-secret',
  };
  const askOnce = async (settings: Record<string, string>) => {
    const served = await serve({ ...named, ...settings });
    try {
      const headers = { authorization: `Bearer ${signToken(claimsFor('events:read'), issuerKey)}` };
      const answer = await fetch(`${served.url}/events`, { headers });
      const reasons = served.logged().filter(({ name }) => name.startsWith('token.'));
      return { status: answer.status, json: await answer.json(), told: reasons.map(({ fields }) => fields.reason) };
    } finally {
      await served.stop();
    }
  };

  test.each<readonly [string, () => Record<string, string>, number, string, string]>([
    ['without its keys', () => ({ SALLYPORT_JWT_JWKS_URL: NOWHERE }), 503, 'ERR_KEYS_UNAVAILABLE', 'keys_unavailable'],
    [
      'without its word about the token',
      () => ({ SALLYPORT_JWT_JWKS_URL: keys.jwksUrl, SALLYPORT_JWT_INTROSPECTION_URL: NOWHERE, ...introspection }),
      ...([503, 'ERR_INTROSPECTION_UNAVAILABLE', 'introspection_unavailable'] as const),
    ],
    [
      // The key set is no answer to that question.
      'with another answer',
      () => ({ SALLYPORT_JWT_JWKS_URL: keys.jwksUrl, SALLYPORT_JWT_INTROSPECTION_URL: keys.jwksUrl, ...introspection }),
      ...([503, 'ERR_INTROSPECTION_UNAVAILABLE', 'introspection_unavailable'] as const),
    ],
  ])('%s', async (_, settings, status, code, reason) => {
    expect(await askOnce(settings())).toMatchObject({ status, json: { code }, told: [reason] });
  });

  test('and one that says that the token is not active gets it refused', async () => {
    const issuer = createServer((_, response) => void response.end('{"active":false}')).listen(0, '127.0.0.1');
    await once(issuer, 'listening');
    const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/introspect`;
    const answer = await askOnce({
      ...{ SALLYPORT_JWT_JWKS_URL: keys.jwksUrl, SALLYPORT_JWT_INTROSPECTION_URL: url },
      ...introspection,
    });
    issuer.close();
    expect(answer).toMatchObject({ status: 401, json: { code: 'ERR_UNAUTHENTICATED' }, told: ['token_inactive'] });
  });
});
