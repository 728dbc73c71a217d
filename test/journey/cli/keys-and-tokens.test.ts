import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadEdgeConfig } from '../../../src/config/edge.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { scopes } from '../../../src/core/scope.ts';
import { freshKeys } from '../../support/campaign.ts';
import { sallyport, sallyportProcess } from '../../support/command.ts';
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
  const { code, out, err } = await sallyportProcess(['token', ...args], {
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

test('keygen relay prints a key that gate and edge start with, new each time', async () => {
  const [first, second] = await Promise.all([
    sallyport(['keygen', 'relay'], { folder, environment: { SALLYPORT_RELAY_KEY: 'set' } }),
    sallyport(['keygen', 'relay'], { folder }),
  ]);
  expect([first.code, first.err, second.code]).toEqual([0, '', 0]);
  expect(first.out).not.toBe(second.out);
  const [name = '', value = ''] = first.out.trim().split(/=(.*)/s);
  const relay = { [name]: value, SALLYPORT_RELAY_URL: 'https://gate.example/relay' };
  expect(
    loadConfig(undefined, { ...freshKeys(), SLACK_SIGNING_SECRET: 'x'.repeat(32), ...relay }, 'ingress'),
  ).toMatchObject({
    ok: true,
    config: { relay: { keys: [expect.any(Uint8Array)] } },
  });
  expect(loadEdgeConfig({}, { ...freshKeys(), ...relay })).toMatchObject({ ok: true });
  expect(await sallyport(['keygen', 'other'], { folder })).toMatchObject({ code: 2, out: '' });
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

const usage = async (args: readonly string[], environment: Record<string, string> = {}) => {
  const { code, out, err } = await sallyportProcess(['token', ...args], {
    folder,
    environment: { SALLYPORT_JWT_SECRET: JWT_SECRET, ...environment },
  });
  expect([code, out]).toEqual([2, '']);
  return err;
};

test.each(['events:reed', 'events:read c4n4ry', 'EVENTS:READ', '', ' '])(
  'the scope “%s” is refused, and the scopes are listed',
  async (scope) => {
    const err = await usage(['--scope', scope]);
    expect(err).toBe(`--scope: must be some of ${scopes.join(', ')}\n`);
  },
);

test('the help lists every scope', async () => {
  const { out } = await sallyport(['token', '--help'], { folder });
  expect(scopes.filter((scope) => !out.includes(`  ${scope} `))).toEqual([]);
});

test('a token lives no longer than the API accepts', async () => {
  const args = ['--scope', 'events:read', '--ttl', '25h'];
  expect(await usage(args)).toMatch(/^--ttl: must be at most 1440m, .*SALLYPORT_TOKEN_MAX_LIFE\)\n$/);
  const { iat = 0, exp = 0 } = decodeJwt(await token(args, { SALLYPORT_TOKEN_MAX_LIFE: '25h' }));
  expect(exp - iat).toBe(90_000);
});

test('no secret is printed, and no token minted, for the tokens of an identity provider', async () => {
  const environment = {
    SALLYPORT_JWT_JWKS_URL: 'https://issuer.example/keys',
    SALLYPORT_JWT_ISSUER: 'https://issuer.example',
    SALLYPORT_JWT_AUDIENCE: 'sallyport',
  };
  const printed = await sallyport(['keygen'], { folder, environment });
  expect([printed.code, printed.out.includes('SALLYPORT_JWT_SECRET')]).toEqual([0, false]);
  const empty = await testFolder();
  for (const args of [
    ['token', '--scope', 'events:read'],
    ['events', 'list'],
  ]) {
    const { code, err } = await sallyport(args, { folder: empty, environment });
    expect([code, err]).toEqual([78, expect.stringContaining('your identity provider')]);
  }
});

describe('token revoke', () => {
  const revoke = (args: readonly string[], environment: Record<string, string> = {}) =>
    sallyport(['token', 'revoke', ...args], {
      folder,
      environment: { SALLYPORT_JWT_SECRET: JWT_SECRET, SALLYPORT_URL: plain.url, ...environment },
    });
  const asSubject = (sub: string) => token(['--scope', 'events:read', '--sub', sub]);

  test('ends one token, or all of a subject', async () => {
    const [one, other] = await Promise.all([asSubject('ada'), asSubject('ada')]);
    const byId = await revoke(['--jti', decodeJwt(one).jti ?? '']);
    expect([byId.code, byId.err]).toEqual([0, '']);
    expect(byId.out).toMatch(/^jti_[\w-]{22} {2}revoked=\S+Z\n$/);
    expect([await ask(plain, one), await ask(plain, other)]).toEqual([401, 200]);
    const bySubject = await revoke(['--sub', 'ada', '--json']);
    expect(JSON.parse(bySubject.out)).toMatchObject({ sub: 'ada', by: 'operator' });
    expect(await ask(plain, other)).toBe(401);
  });

  test('asks to be confirmed where it would end the token it was given', async () => {
    const given = await token(['--scope', 'tokens:revoke events:read', '--sub', 'grace']);
    const refused = await revoke(['--sub', 'grace'], { SALLYPORT_TOKEN: given });
    expect([refused.code, refused.out]).toEqual([1, '']);
    expect(await ask(plain, given)).toBe(200);
    expect((await revoke(['--sub', 'grace', '--confirm'], { SALLYPORT_TOKEN: given })).code).toBe(0);
    expect(await ask(plain, given)).toBe(401);
  });

  test.each([
    [[]],
    [['--jti', 'a', '--sub', 'b']],
    [['--sub', 'a', '--before', 'soon']],
    [['--jti', 'a', '--before', '2026-01-31T12:00:00Z']],
  ])('refuses %j as bad usage', async (args) => {
    const { code, out, err } = await revoke(args);
    expect([code, out, err.trim().split('\n').length]).toEqual([2, '', 1]);
  });
});
