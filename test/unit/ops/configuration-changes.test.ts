import { beforeEach, expect, test } from 'vitest';
import { settingDigests } from '../../../src/app/configuration.node.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { SallyportError } from '../../../src/core/errors.ts';
import { createIdentifier } from '../../../src/core/identity.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { recordConfiguration } from '../../../src/ops/configuration-changes.ts';
import { openEmbeddedStore } from '../../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../../src/queue/store.ts';
import { auditOver, wholeChain } from '../../support/audit.ts';
import { testFolder } from '../../support/folder.ts';

const KEY = Buffer.alloc(32, 7);
const SECRET = 'signing-secret-of-acme-0123456789';
const identifier = createIdentifier(nodeCrypto, KEY);

let store: Store;
beforeEach(async () => {
  const path = `${await testFolder()}/store.db`;
  store = await openEmbeddedStore({ path, limits: defaultLimits, idCheck: 'check', logger: silentLogger });
  return () => store.close();
});

interface Changes {
  readonly server?: object;
  readonly acme?: object;
  readonly globex?: object;
  readonly agents?: readonly object[];
}

/** A process of a role starts with this configuration. */
async function start(
  role: string,
  { server = {}, acme = {}, globex = {}, agents = [] }: Changes = {},
  audit = auditOver(store),
) {
  const tenants = {
    acme: { slack: { signingSecrets: SECRET, ...acme } },
    globex: { slack: { signingSecrets: 'signing-secret-of-globex-0123456', ...globex } },
  };
  const keys = { id: KEY.toString('base64'), seal: KEY.toString('base64') };
  const loaded = loadConfig({ server, keys, tenants, agents }, {}, 'all');
  if (!loaded.ok) throw new Error(loaded.problems.join());
  await recordConfiguration({
    role,
    tenants: Object.keys(loaded.config.tenants),
    settingsOf: settingDigests(loaded.config, identifier),
    digest: (parts) => identifier.digest('settings', parts),
    audit,
    records: store.records,
    acquire: store.lease.acquire,
  });
}

const changes = async (tenant: string) =>
  (await wholeChain(store, tenant)).map(({ action, data }) => ({ action, ...data }));
const namesIn = async (tenant: string) =>
  (await changes(tenant)).slice(1).map((data) => [Reflect.get(data, 'role'), Reflect.get(data, 'settings')]);

test('the first start records each section, and the same configuration nothing more', async () => {
  await start('all');
  await start('all');
  const [first, ...more] = await changes('acme');
  expect(more).toEqual([]);
  expect(first).toMatchObject({ action: 'configuration.changed', role: 'all', first: true });
  const sections = Object.keys(Reflect.get(first ?? {}, 'sections') ?? {});
  expect(sections).toEqual(expect.arrayContaining(['keys', 'server', 'store', 'tenants.acme.slack']));
  expect(sections.filter((name) => name.startsWith('tenants.globex'))).toEqual([]);
});

test('a change is named once, by its setting and never by its value, to whom it concerns', async () => {
  await Promise.all([start('all'), start('all'), start('all')]);
  const acme = { botToken: 'xoxb-of-acme-that-nobody-may-see', mentionsOnly: true };
  await Promise.all(Array.from({ length: 4 }, () => start('all', { acme })));
  expect(await namesIn('acme')).toEqual([['all', ['tenants.acme.slack.botToken', 'tenants.acme.slack.mentionsOnly']]]);
  expect(await namesIn('globex')).toEqual([]);
  await start('all', { acme, server: { bodyTimeout: '5s' } });
  for (const tenant of ['acme', 'globex']) {
    expect((await namesIn(tenant)).at(-1)).toEqual(['all', ['server.bodyTimeout']]);
  }
  await start('all', { server: { bodyTimeout: '5s' } });
  expect((await namesIn('acme')).at(-1)).toEqual([
    'all',
    ['tenants.acme.slack.botToken', 'tenants.acme.slack.mentionsOnly'],
  ]);
  const kept = JSON.stringify([await changes('acme'), [...(await store.records.list('acme', 'configuration'))]]);
  for (const value of ['xoxb-of', SECRET, KEY.toString('base64')]) expect(kept).not.toContain(value);
});

test('roles that start with the same change tell of it once; what one of them has alone is its own', async () => {
  await start('ingress');
  await start('worker');
  expect(await changes('acme')).toHaveLength(1);
  const acme = { mentionsOnly: true };
  await start('ingress', { acme });
  await start('worker', { acme });
  expect(await namesIn('acme')).toEqual([['ingress', ['tenants.acme.slack.mentionsOnly']]]);
  await start('worker', { acme, server: { port: 9999 } });
  expect((await namesIn('acme')).at(-1)).toEqual(['worker', ['server.port']]);
  await start('ingress', { acme });
  expect(await namesIn('acme')).toHaveLength(2);
});

test('code of an agent counts by its text', async () => {
  const agent = (run: () => object) => ({ agents: [{ name: 'own', run }] });
  await start(
    'worker',
    agent(() => ({ kind: 'silent' })),
  );
  await start(
    'worker',
    agent(() => ({ kind: 'silent' })),
  );
  expect(await namesIn('acme')).toEqual([]);
  await start(
    'worker',
    agent(() => ({ kind: 'other' })),
  );
  expect(await namesIn('acme')).toEqual([['worker', ['agents.0.run']]]);
});

test('what the audit could not take is told by the next start', async () => {
  await start('all');
  const away = async (): Promise<never> => {
    throw new SallyportError('ERR_STORE_UNAVAILABLE', 'away');
  };
  await expect(start('all', { acme: { mentionsOnly: true } }, away)).rejects.toMatchObject({
    code: 'ERR_STORE_UNAVAILABLE',
  });
  await start('all', { acme: { mentionsOnly: true } });
  expect(await namesIn('acme')).toEqual([['all', ['tenants.acme.slack.mentionsOnly']]]);
});
