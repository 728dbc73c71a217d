import { readdirSync, statSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { createAuthority } from '../support/authority.ts';
import { sallyport } from '../support/command.ts';
import { testFolder } from '../support/folder.ts';
import { freePort } from '../support/free-port.ts';
import { describeWith } from '../support/needs.ts';
import {
  callGate,
  readFacts,
  restoreEmbedded,
  restoreRedis,
  startStoreVendors,
  storeSettings,
} from '../support/old-stores.ts';
import { startRole } from '../support/role.ts';
import { rehearsed, runBlock } from '../support/runbook.ts';
import { until } from '../support/until.ts';

const PAGE = 'docs/operations.md';

/** An API that is asked too often answers 429. */
const PATIENCE = { everyMs: 250 };

/** A store with events in every state, which is backed up, used, lost and restored. */
interface Store {
  readonly name: string;
  /** What the gate is told of it. */
  readonly settings: Readonly<Record<string, string>>;
  /** What the blocks of the page are told. */
  readonly shell: Readonly<Record<string, string>>;
  readonly kind: 'embedded' | 'redis';
  /** Destroys it once no process runs. */
  lose(): Promise<void>;
  /** Makes what was restored answer. */
  start(): Promise<void>;
}

async function rehearse(store: Store, folder: string): Promise<void> {
  const facts = await readFacts(store.name);
  const vendors = await startStoreVendors(facts);
  const { slack } = vendors;
  onTestFinished(async () => void (await vendors.stop()));
  const settings = { ...vendors.settings, ...store.settings };
  const backups = join(folder, 'backups');
  const start = async (role: string, more: Readonly<Record<string, string>> = {}) => {
    const process = await startRole({ role, folder, environment: { ...settings, ...more } });
    onTestFinished(() => process.kill());
    return process;
  };
  const runs = async (name: string, url = '') => {
    const environment = { ...settings, ...store.shell, BACKUPS: backups, SALLYPORT_URL: url };
    const ended = await runBlock(rehearsed(PAGE, name), { folder, environment });
    expect({ name, ...ended }).toMatchObject({ name, code: 0 });
    return ended;
  };
  const deliver = async (url: string, payload: unknown): Promise<(string | null)[]> => {
    const signing = { signingSecret: storeSettings.SLACK_SIGNING_SECRET, at: Date.now() };
    const { headers, body } = signSlackRequest(slackJson(payload), signing);
    const answer = await fetch(`${url}/hooks/slack/default`, { method: 'POST', headers, body: new Uint8Array(body) });
    return [answer.headers.get('x-sallyport-outcome'), answer.headers.get('x-sallyport-event')];
  };
  const get = async <T>(url: string, path: string): Promise<T> => (await callGate(url, path)).json as T;
  const stateOf = async (url: string, id: string): Promise<string> =>
    (await get<{ state: string }>(url, `/events/${id}`)).state;
  const areDone = (url: string, ids: readonly string[]) => async () =>
    (await Promise.all(ids.map((id) => stateOf(url, id)))).every((state) => state === 'done');
  const statesAt = (url: string) =>
    Promise.all(facts.messages.map(async (one) => [one.text, await stateOf(url, one.id)]));
  const posted = (): string[] => slack.posts.map((post) => post.text).toSorted();

  // The gate is up, and somebody's tokens have been ended.
  const ingress = await start('ingress');
  const token = (sub: string) =>
    sallyport(['token', '--scope', 'events:read', '--sub', sub], { folder, environment: settings });
  const ended = (await token('mallory')).out.trim();
  const asMallory = async (url: string): Promise<number> =>
    (await fetch(`${url}/events`, { headers: { authorization: `Bearer ${ended}` } })).status;
  const online = { ...settings, SALLYPORT_URL: ingress.url };
  const revoked = await sallyport(['token', 'revoke', '--sub', 'mallory'], { folder, environment: online });
  expect(revoked).toMatchObject({ code: 0 });
  const before = {
    states: await statesAt(ingress.url),
    budgets: await get(ingress.url, '/budgets'),
    reviews: await get(ingress.url, '/reviews'),
    subscriptions: await get<{ subscriptions: unknown[] }>(ingress.url, '/subscriptions'),
  };
  await runs(`backup ${store.kind}`);
  expect(readdirSync(backups).filter((name) => (statSync(join(backups, name)).mode & 0o077) !== 0)).toEqual([]);

  // Then it goes on: what waited is answered, and so is what comes after the backup.
  const worker = await start('worker');
  const late = slackMessage({ at: Date.now(), text: 'after the backup', channel: 'D0AFTER' });
  const [, lateId] = await deliver(ingress.url, late);
  const unended = ['queued', 'later', 'after the wait', 'half taken', 'half lost'];
  const ids = facts.messages.filter((one) => unended.includes(one.text)).map((one) => one.id);
  await until('everything that can is answered', areDone(ingress.url, [...ids, lateId ?? '']), PATIENCE);
  const answeredBefore = posted();
  expect(answeredBefore).toContain('answer: after the backup');

  // Everything is lost, and restored.
  await Promise.all([ingress.kill(), worker.kill()]);
  await store.lose();
  const { err } = await runs(`restore ${store.kind}`);
  await store.start();
  const restoredAt = { SALLYPORT_RESTORED_AT: new Date().toISOString() };
  if (store.kind === 'embedded') expect(err).toMatch(/^set SALLYPORT_RESTORED_AT=\d{4}-\d\d-\d\dT/m);
  const again = await start('ingress', restoredAt);
  expect(await statesAt(again.url)).toEqual(before.states);
  expect(await get(again.url, '/budgets')).toEqual(before.budgets);
  expect(await get(again.url, '/reviews')).toEqual(before.reviews);
  const { subscriptions } = await get<{ subscriptions: unknown[] }>(again.url, '/subscriptions');
  expect(subscriptions).toEqual(before.subscriptions.subscriptions);
  expect(await asMallory(again.url)).toBe(401);
  expect((await callGate(again.url, `/events/${lateId}`)).status).toBe(404);
  await runs('after a restore', again.url);
  expect(await readFile(join(folder, 'audit.jsonl'), 'utf8')).toContain('"seq":1,');

  // Senders deliver once more: what the backup has is known, what came after it is not.
  const repeated: unknown[] = [];
  for (const { payload } of facts.messages) repeated.push(await deliver(again.url, payload));
  expect(repeated).toEqual(facts.messages.map(({ id }) => ['duplicate', id]));
  const [outcome, newId] = await deliver(again.url, late);
  expect([outcome, newId === lateId]).toEqual(['accepted', false]);

  await start('worker', restoredAt);
  await until('everything is answered again', areDone(again.url, [...ids, newId ?? '']), PATIENCE);
  // One reply each to all that the backup had, and a second one to what it did not have.
  expect(posted()).toEqual([...answeredBefore, 'answer: after the backup'].toSorted());
}

describe('the embedded store', () => {
  test('is backed up while it is used, lost and restored by the commands of the runbook', async () => {
    const folder = await testFolder();
    const name = 'embedded-0.1.0';
    const data = await restoreEmbedded(name, folder);
    await rehearse(
      {
        ...{ name, kind: 'embedded', settings: { SALLYPORT_DATA_DIR: data }, shell: {} },
        lose: () => rm(data, { recursive: true }),
        start: async () => {},
      },
      folder,
    );
  });
});

describeWith(
  'redis-server',
  'redis-cli',
  'openssl',
)('Redis', () => {
  test('is backed up over TLS with a password, lost and restored by the commands of the runbook', async () => {
    const folder = await testFolder();
    const name = 'redis-0.1.0';
    const ca = createAuthority();
    const pair = ca.issue('redis.test');
    const at = (file: string): string => join(folder, file);
    await Promise.all([
      writeFile(at('ca.pem'), ca.cert),
      writeFile(at('redis.pem'), pair.cert),
      writeFile(at('redis.key'), pair.key),
    ]);
    const port = String(await freePort());
    const files = [
      '--tls-cert-file',
      at('redis.pem'),
      '--tls-key-file',
      at('redis.key'),
      '--tls-ca-cert-file',
      at('ca.pem'),
    ];
    const password = 'a-password-of-this-test';
    const args = ['--tls-port', port, ...files, '--tls-auth-clients', 'no'];
    const redis = await restoreRedis(name, { password, args });
    onTestFinished(() => redis.stop());
    const dir = redis.folder;
    await rehearse(
      {
        ...{ name, kind: 'redis' },
        settings: {
          SALLYPORT_REDIS_URL: `rediss://:${password}@127.0.0.1:${port}`,
          NODE_EXTRA_CA_CERTS: at('ca.pem'),
        },
        shell: {
          ...{ REDIS_HOST: '127.0.0.1', REDIS_PORT: port, REDISCLI_AUTH: password },
          ...{ REDIS_CA: at('ca.pem'), REDIS_DIR: dir },
        },
        async lose() {
          await redis.kill();
          for (const name of readdirSync(dir))
            if (name !== 'redis.conf') await rm(join(dir, name), { recursive: true });
        },
        start: () => redis.restart(),
      },
      folder,
    );
  });
});
