import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { freshKeys } from '../../support/campaign.ts';
import { sallyport } from '../../support/command.ts';
import { testFolder } from '../../support/folder.ts';
import { type RoleProcess, startRole } from '../../support/role.ts';

const JWT_SECRET = 'a-secret-of-at-least-thirty-two-bytes';

let folder: string;
let plain: RoleProcess;
let strict: RoleProcess;

const issued = { SALLYPORT_JWT_ISSUER: 'https://issuer.example', SALLYPORT_JWT_AUDIENCE: 'sallyport' };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-token-'));
  const environment = { ...freshKeys(), SALLYPORT_JWT_SECRET: JWT_SECRET, LOG_LEVEL: 'silent' };
  [plain, strict] = await Promise.all([
    startRole({ role: 'ingress', folder, environment: { ...environment, SALLYPORT_DATA_DIR: 'plain' } }),
    startRole({ role: 'ingress', folder, environment: { ...environment, ...issued, SALLYPORT_DATA_DIR: 'strict' } }),
  ]);
});
afterAll(async () => {
  await Promise.all([plain?.kill(), strict?.kill()]);
  await rm(folder, { recursive: true, force: true });
});

async function token(args: readonly string[], environment: Record<string, string> = {}): Promise<string> {
  const { code, out, err } = await sallyport(['token', ...args], {
    folder,
    environment: { SALLYPORT_JWT_SECRET: JWT_SECRET, ...environment },
  });
  expect([code, err]).toEqual([0, '']);
  return out.trim();
}

const ask = async (gate: RoleProcess, bearer: string, path = '/events', method = 'GET'): Promise<number> =>
  (await fetch(`${gate.url}${path}`, { method, headers: { authorization: `Bearer ${bearer}` } })).status;

test('keygen prints an .env that the product starts with, new each time, and nothing else', async () => {
  const [first, second] = await Promise.all([sallyport(['keygen'], { folder }), sallyport(['keygen'], { folder })]);
  expect([first.code, first.err]).toEqual([0, '']);
  const lines = first.out.trim().split('\n');
  expect(lines.filter((line) => second.out.includes(line))).toEqual([]);
  const environment = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s)));
  const loaded = loadConfig(undefined, { SLACK_SIGNING_SECRET: 'x'.repeat(32), ...environment }, 'all');
  expect(loaded).toMatchObject({ ok: true, config: { api: { jwtSecret: environment.SALLYPORT_JWT_SECRET } } });
  expect(Object.keys(environment)).toEqual(
    expect.arrayContaining([
      'SALLYPORT_SEAL_KEY',
      'SALLYPORT_ID_KEY',
      'SALLYPORT_JWT_SECRET',
      'SALLYPORT_METRICS_TOKEN',
    ]),
  );
});

test('a token says what was asked for and opens the API', async () => {
  const bearer = await token(['--scope', 'events:read', '--tenant', 'default', '--sub', 'ada', '--ttl', '90m']);
  const { sub, tenant, scope, iat = 0, exp = 0 } = decodeJwt(bearer);
  expect({ sub, tenant, scope, ttl: exp - iat }).toEqual({
    sub: 'ada',
    tenant: 'default',
    scope: 'events:read',
    ttl: 5_400,
  });
  expect(await ask(plain, bearer)).toBe(200);
  expect(await ask(plain, bearer, '/events/ev_0/redrive', 'POST')).toBe(403);
});

test('a token carries issuer and audience where the gate asks for them', async () => {
  const args = ['--scope', 'events:read'];
  expect(await ask(strict, await token(args, issued))).toBe(200);
  expect(await ask(strict, await token(args))).toBe(401);
  expect(await ask(strict, await token(args, { ...issued, SALLYPORT_JWT_ISSUER: 'https://other.example' }))).toBe(401);
});

test('a token is refused once it has expired', async () => {
  // The command runs with its clock set back; the gate's clock is right.
  const at = (minutesAgo: number) => ({
    NODE_OPTIONS: `--import=data:text/javascript,const%20now=Date.now;Date.now=()=>now()-${minutesAgo * 60_000}`,
  });
  const args = ['--scope', 'events:read', '--ttl', '10m'];
  expect(await ask(plain, await token(args, at(9)))).toBe(200);
  expect(await ask(plain, await token(args, at(12)))).toBe(401);
});

test('a token made with another secret is refused', async () => {
  const bearer = await token(['--scope', 'events:read'], { SALLYPORT_JWT_SECRET: `another ${JWT_SECRET}` });
  expect(await ask(plain, bearer)).toBe(401);
});

test('without a secret there is no token, and the message names the setting', async () => {
  const { code, out, err } = await sallyport(['token', '--scope', 'events:read'], { folder: await testFolder() });
  expect([code, out]).toEqual([78, '']);
  expect(err).toMatch(/^SALLYPORT_JWT_SECRET: .*\n$/);
});

test('the secret may stand in the configuration file', async () => {
  const elsewhere = await testFolder();
  const api = { jwtSecret: JWT_SECRET };
  await writeFile(join(elsewhere, 'sallyport.config.json'), JSON.stringify({ api }));
  const { code, out } = await sallyport(['token', '--scope', 'events:read'], { folder: elsewhere });
  expect(code).toBe(0);
  expect(await ask(plain, out.trim())).toBe(200);
});
