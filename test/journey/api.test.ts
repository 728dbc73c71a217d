import { join } from 'node:path';
import { SignJWT } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { type ApiClient, createApiClient } from '../support/api-client.ts';
import { freshKeys } from '../support/campaign.ts';
import { sallyport } from '../support/command.ts';
import { testFolder } from '../support/folder.ts';
import { describeRedis, startRedis } from '../support/redis.ts';
import { startRole } from '../support/role.ts';

const JWT_SECRET = 'a-secret-of-at-least-thirty-two-bytes';

async function startGate(settings: Readonly<Record<string, string>> = {}) {
  const folder = await testFolder();
  const environment = {
    ...freshKeys(),
    SALLYPORT_JWT_SECRET: JWT_SECRET,
    SALLYPORT_DATA_DIR: join(folder, 'data'),
    ...settings,
  };
  const role = await startRole({ role: 'all', folder, environment });
  onTestFinished(() => role.kill());
  return { url: role.url, folder };
}

const tokenOf = (subject: string, scope: string): Promise<string> =>
  new SignJWT({ tenant: 'default', scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setIssuedAt()
    .setExpirationTime('10m')
    .sign(Buffer.from(JWT_SECRET));

async function clientOf(url: string, subject: string, scope: string): Promise<ApiClient> {
  return createApiClient(url, await tokenOf(subject, scope));
}

test('what the API describes is what it does: a message, its stream, its event, limits and the audit', async () => {
  const { url } = await startGate();
  const ada = await clientOf(url, 'ada', 'chat:read chat:write');
  const said = await ada.call('POST /chat', 202, { body: { text: 'hello' } });
  const path = { id: said.body.event };
  const stream = await ada.call('GET /chat/{id}', 200, { path, headers: { accept: 'text/event-stream' } });
  expect(String(stream.body)).toMatch(/event: end\nid: 1\.1\.done\ndata: .*"reply":\{"text":"echo: hello"\}/);
  expect((await ada.call('GET /chat/{id}', 200, { path })).body).toMatchObject({ state: 'done' });
  expect((await ada.call('GET /events/{id}', 403, { path })).body.code).toBe('ERR_FORBIDDEN');

  const scopes = 'events:read events:write budgets:read budgets:write audit:read reviews:read subscriptions:read';
  const operator = await clientOf(url, 'grace', scopes);
  const page = await operator.call('GET /events', 200, { query: { channel: 'chat', limit: '1' } });
  expect(page.body.events.map(({ id, state }) => [id, state])).toEqual([[path.id, 'done']]);
  const { body: event } = await operator.call('GET /events/{id}', 200, { path });
  expect(event.runs.map(({ outcome, reply }) => [outcome, reply?.text])).toEqual([['replied', 'echo: hello']]);
  expect((await operator.call('POST /events/{id}/park', 409, { path })).body.code).toBe('ERR_WRONG_STATE');

  const scope = { path: { scope: 'user' }, body: { runs: { hour: 7 } } } as const;
  const changed = await operator.call('PUT /budgets/{scope}', 200, scope);
  expect(changed.body.limits).toContainEqual(expect.objectContaining({ scope: 'user', max: 7, setBy: 'operator' }));
  const wrong = await operator.call('PUT /budgets/{scope}', 400, {
    path: { scope: 'run' },
    body: { runs: { hour: 7 } },
  });
  expect(wrong.body.errors?.[0]?.message).toMatch(/^has an unknown field/);
  expect((await operator.call('GET /reviews', 200)).body.reviews).toEqual([]);
  expect((await operator.call('GET /subscriptions', 200)).body.subscriptions).toEqual([]);
  const audit = await operator.call('GET /audit', 200, { query: { from: '1' } });
  expect(
    audit.body
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line).action),
  ).toContain('budget.changed');
});

test('a reply that is held is decided about by its ETag, and another text is refused with 412', async () => {
  const { url } = await startGate({ SALLYPORT_REVIEW_REPLIES: 'always' });
  const ada = await clientOf(url, 'ada', 'chat:read chat:write');
  const path = { id: (await ada.call('POST /chat', 202, { body: { text: 'hello' } })).body.event };
  const grace = await clientOf(url, 'grace', 'reviews:read reviews:decide');
  await expect.poll(async () => (await grace.call('GET /reviews', 200)).body.reviews.length).toBe(1);

  const first = await grace.call('GET /reviews/{id}', 200, { path });
  const seen = first.headers.get('etag') ?? '';
  expect(seen).toBe(`"${first.body.digest}"`);
  const unchanged = await grace.call('GET /reviews/{id}', 304, {
    path,
    headers: { 'if-none-match': `"x", W/${seen}` },
  });
  expect([unchanged.body, unchanged.headers.get('etag')]).toEqual([null, seen]);

  const edited = await grace.call('POST /reviews/{id}/edit', 200, {
    ...{ path, headers: { 'if-match': seen } },
    body: { text: 'good day' },
  });
  const now = edited.headers.get('etag') ?? '';
  expect([now === seen, now]).toEqual([false, `"${edited.body.digest}"`]);
  const late = await grace.call('POST /reviews/{id}/approve', 412, { path, headers: { 'if-match': seen }, body: {} });
  expect(late.body.code).toBe('ERR_PRECONDITION_FAILED');
  for (const headers of [{}, { 'if-match': '*' }]) {
    const blind = await grace.call('POST /reviews/{id}/approve', 400, { path, headers, body: {} });
    expect(blind.body.errors).toEqual([{ path: 'digest', message: expect.stringContaining('If-Match') }]);
  }
  const both = { path, headers: { 'if-match': now }, body: { digest: first.body.digest } };
  expect((await grace.call('POST /reviews/{id}/approve', 409, both)).body.code).toBe('ERR_REVIEW_CHANGED');

  const approved = await grace.call('POST /reviews/{id}/approve', 200, {
    path,
    headers: { 'if-match': now },
    body: {},
  });
  expect(approved.body).toMatchObject({ state: 'approved', text: 'good day' });
  // Whoever waits for the decision must not be told that nothing has changed.
  const after = await grace.call('GET /reviews/{id}', 200, { path, headers: { 'if-none-match': now } });
  expect(after.headers.get('etag')).toBe(`"${edited.body.digest}.approved"`);
  await expect
    .poll(async () => (await ada.call('GET /chat/{id}', 200, { path })).body)
    .toMatchObject({
      reply: { text: 'good day' },
    });
});

test('sallyport send chat --wait needs the scopes of chat alone', async () => {
  const { url, folder } = await startGate();
  const environment = { SALLYPORT_URL: url, SALLYPORT_TOKEN: await tokenOf('ada', 'chat:read chat:write') };
  const { code, out, err } = await sallyport(['send', 'chat', '--text', 'hello', '--wait'], { folder, environment });
  expect({ code, err, reply: out.trim().split('\n').at(-1) }).toEqual({ code: 0, err: '', reply: 'echo: hello' });
});

describeRedis('idempotency keys, on Redis', () => {
  test('of requests with one key to two processes one is done', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const folder = await testFolder();
    const environment = { ...freshKeys(), SALLYPORT_JWT_SECRET: JWT_SECRET, SALLYPORT_REDIS_URL: redis.url };
    const roles = await Promise.all([1, 2].map(() => startRole({ role: 'ingress', folder, environment })));
    onTestFinished(() => Promise.all(roles.map((role) => role.kill())).then(() => {}));
    const token = await tokenOf('grace', 'guardrails:write audit:read');
    const headers = { authorization: `Bearer ${token}`, 'idempotency-key': '"once"' };
    const ask = async ({ url }: { readonly url: string }): Promise<number> =>
      (await fetch(`${url}/guardrails/invalidate`, { method: 'POST', headers })).status;
    const statuses = await Promise.all(Array.from({ length: 40 }, (_, at) => ask(roles[at % 2] ?? { url: '' })));
    expect(statuses.filter((status) => status !== 200 && status !== 409)).toEqual([]);
    expect(await Promise.all(roles.map(ask))).toEqual([200, 200]);
    const audit = await createApiClient(roles[0]?.url ?? '', token).call('GET /audit', 200);
    expect(audit.body.match(/guardrail\.invalidated/g)).toHaveLength(1);
  });
});
