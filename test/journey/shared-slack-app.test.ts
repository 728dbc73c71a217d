import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys } from '../support/campaign.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { sallyportProcess } from '../support/command.ts';
import { testFolder } from '../support/folder.ts';
import { type RoleProcess, startRole } from '../support/role.ts';

/** Two tenants share a Slack app, a third one has its own; all of them are in one shard of one store. */
const SHARED = 'the-shared-signing-secret-0123456';
const OWN = 'the-own-signing-secret-0123456789';
const JWT_SECRET = 'a-secret-of-at-least-thirty-two-bytes';
const METRICS_TOKEN = 'a-token-for-the-metrics';
const TENANTS = ['acme', 'globex', 'initech'] as const;
type Tenant = (typeof TENANTS)[number];

let gate: RoleProcess;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-shared-'));
  const slack = (signingSecrets: string, teams: string[]) => ({ slack: { signingSecrets, teams }, chat: {} });
  const tenants = {
    acme: slack(SHARED, ['T0ACME', 'E0ACME']),
    globex: slack(SHARED, ['T0GLOBEX']),
    initech: slack(OWN, ['T0INITECH']),
  };
  await writeFile(join(folder, 'sallyport.config.json'), JSON.stringify({ tenants }));
  const { SLACK_SIGNING_SECRET: _, SLACK_BOT_TOKEN: __, ...keys } = freshKeys();
  const environment = {
    ...keys,
    SALLYPORT_JWT_SECRET: JWT_SECRET,
    SALLYPORT_METRICS_TOKEN: METRICS_TOKEN,
    SALLYPORT_AGENT: 'echo',
    LOG_LEVEL: 'info',
  };
  gate = await startRole({ role: 'all', folder, environment });
});
afterAll(async () => {
  await gate?.kill();
  await rm(folder, { recursive: true, force: true });
});

async function post(path: string, teamId: string, text: string, signingSecret = SHARED) {
  const payload = slackMessage({ at: Date.now(), text, teamId, channel: 'C0SAME', user: 'U0SAME' });
  const { headers, body } = signSlackRequest(slackJson(payload), { signingSecret, at: Date.now() });
  const response = await fetch(`${gate.url}${path}`, { method: 'POST', headers, body: new Uint8Array(body) });
  const outcome = response.headers.get('x-sallyport-outcome');
  return { status: response.status, outcome, id: response.headers.get('x-sallyport-event') ?? '' };
}

async function ask(tenant: Tenant, path: string, method = 'GET'): Promise<{ status: number; text: string }> {
  const scope = 'events:read events:write reviews:read budgets:read audit:read subscriptions:read chat:read';
  const token = await new SignJWT({ tenant, scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(`operator-of-${tenant}`)
    .setIssuedAt()
    .setExpirationTime('10m')
    .sign(Buffer.from(JWT_SECRET));
  const response = await fetch(`${gate.url}${path}`, { method, headers: { authorization: `Bearer ${token}` } });
  return { status: response.status, text: await response.text() };
}

const textsOf = async (tenant: Tenant): Promise<string[]> => {
  const { events } = JSON.parse((await ask(tenant, '/events')).text) as {
    events: { runs: { reply?: { text: string } }[] }[];
  };
  return events.flatMap(({ runs }) => runs.flatMap(({ reply }) => reply?.text ?? [])).sort();
};
const logLines = async (): Promise<Record<string, unknown>[]> =>
  (await readFile(join(folder, `all-${gate.port}.log`), 'utf8'))
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('one request URL serves the workspaces of every tenant of the app, and each event is its tenant’s', async () => {
  // The path without a tenant, and the path of either of the two.
  const sent = [
    await post('/hooks/slack', 'T0ACME', 'words of acme 1'),
    await post('/hooks/slack', 'T0GLOBEX', 'words of globex 1'),
    await post('/hooks/slack/globex', 'T0ACME', 'words of acme 2'),
    await post('/hooks/slack/acme', 'T0GLOBEX', 'words of globex 2'),
  ];
  for (const { status, outcome } of sent) expect([status, outcome]).toEqual([200, 'accepted']);
  await vi.waitFor(
    async () => {
      expect(await textsOf('acme')).toEqual(['echo: words of acme 1', 'echo: words of acme 2']);
      expect(await textsOf('globex')).toEqual(['echo: words of globex 1', 'echo: words of globex 2']);
    },
    { timeout: PATIENCE_MS, interval: 100 },
  );
  expect(await textsOf('initech')).toEqual([]);
});

test('two tenants of the app that name one workspace do not start', async () => {
  const two = await testFolder();
  const { SLACK_SIGNING_SECRET: _, SLACK_BOT_TOKEN: __, ...keys } = freshKeys();
  const slack = (signingSecrets: string) => ({ slack: { signingSecrets, teams: ['T0ACME'] } });
  const start = async (secret: string) => {
    await writeFile(
      join(two, 'sallyport.config.json'),
      JSON.stringify({ tenants: { acme: slack(SHARED), globex: slack(secret) } }),
    );
    return sallyportProcess(['ingress'], {
      folder: two,
      environment: { ...keys, HOST: '127.0.0.1', PORT: String(gate.port) },
    });
  };
  const { code, err } = await start(SHARED);
  expect(code).toBe(78);
  expect(err).toContain('tenants.globex.slack.teams: names a workspace of tenants.acme.slack.teams');
  expect(err).not.toContain('T0ACME');
  // With an app of its own the second tenant may name it: this start fails because the port is taken.
  expect((await start(OWN)).err).toBe('PORT: another process listens there already\n');
});

test('who has another app reaches no workspace of this one, and the other way round', async () => {
  expect(await post('/hooks/slack/initech', 'T0INITECH', 'words of initech', OWN)).toMatchObject({
    outcome: 'accepted',
  });
  // Its signing secret is good for its own route, and for its own workspaces alone.
  expect(await post('/hooks/slack/initech', 'T0ACME', 'stolen', OWN)).toMatchObject({
    status: 200,
    outcome: 'ignored',
  });
  expect(await post('/hooks/slack', 'T0INITECH', 'stolen')).toMatchObject({ status: 200, outcome: 'ignored' });
  for (const path of ['/hooks/slack', '/hooks/slack/acme']) {
    expect(await post(path, 'T0ACME', 'stolen', OWN)).toMatchObject({ status: 401 });
  }
  await vi.waitFor(async () => expect(await textsOf('initech')).toEqual(['echo: words of initech']), {
    timeout: PATIENCE_MS,
    interval: 100,
  });
  for (const tenant of TENANTS) expect((await textsOf(tenant)).join()).not.toContain('stolen');
});

test('an authentic event of a workspace of no tenant is answered 200, counted, and told of once', async () => {
  for (const path of ['/hooks/slack', '/hooks/slack/acme', '/hooks/slack']) {
    expect(await post(path, 'T0NOBODY', 'hello')).toMatchObject({ status: 200, outcome: 'ignored', id: '' });
  }
  const metrics = await (
    await fetch(`${gate.url}/metrics`, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } })
  ).text();
  expect(metrics).toMatch(/sallyport_deliveries_total\{[^}]*reason="unknown_workspace"[^}]*\} 3/);
  await vi.waitFor(
    async () => {
      const told = (await logLines()).filter(({ msg }) => msg === 'delivery.unmapped');
      expect(told).toMatchObject([{ channel: 'slack', sender: 'T0NOBODY' }]);
    },
    { timeout: PATIENCE_MS, interval: 100 },
  );
});

test('nothing of one tenant is in an answer, a line of the log, a metric or an error of another', async () => {
  const others = (tenant: Tenant): RegExp => {
    const names = TENANTS.filter((name) => name !== tenant);
    return new RegExp(names.flatMap((name) => [name, `T0${name.toUpperCase()}`]).join('|'));
  };
  const ids = new Map<Tenant, string[]>();
  for (const tenant of TENANTS) {
    const { events } = JSON.parse((await ask(tenant, '/events')).text) as { events: { id: string }[] };
    ids.set(
      tenant,
      events.map(({ id }) => id),
    );
  }
  for (const tenant of TENANTS) {
    const foreign = [...ids].flatMap(([name, found]) => (name === tenant ? [] : found));
    expect(foreign.length).toBeGreaterThan(0);
    for (const path of [
      '/events',
      '/reviews',
      '/budgets',
      '/subscriptions',
      '/audit?limit=1000',
      '/events?limit=0',
      '/nothing',
    ]) {
      const { text } = await ask(tenant, path);
      expect(text, path).not.toMatch(others(tenant));
      for (const id of foreign) expect(text, path).not.toContain(id);
    }
    for (const id of foreign) {
      const unknown = await ask(tenant, '/events/ev_00000000000000000000000000');
      for (const [path, method] of [
        [`/events/${id}`, 'GET'],
        [`/events/${id}/park`, 'POST'],
        [`/events/${id}/redrive`, 'POST'],
        [`/reviews/${id}`, 'GET'],
        [`/chat/${id}`, 'GET'],
      ] as const) {
        const { status, text } = await ask(tenant, path, method);
        // The same answer as for an id that nobody has.
        expect([status, JSON.parse(text).code], path).toEqual([404, JSON.parse(unknown.text).code]);
        expect(text).not.toMatch(others(tenant));
      }
    }
  }
  const metrics = await (
    await fetch(`${gate.url}/metrics`, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } })
  ).text();
  for (const tenant of TENANTS) expect(metrics).not.toMatch(new RegExp(`${tenant}|T0${tenant.toUpperCase()}`));
  const lines = await logLines();
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines) {
    const { tenant } = line as { tenant?: Tenant };
    const text = JSON.stringify(line);
    expect(text).not.toContain('words of');
    if (tenant === undefined || !TENANTS.includes(tenant)) continue;
    expect(text).not.toMatch(others(tenant));
    const foreign = [...ids].flatMap(([name, found]) => (name === tenant ? [] : found));
    for (const id of foreign) expect(text).not.toContain(id);
  }
});
