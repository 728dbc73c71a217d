import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startSlackServer } from '../../../src/testing/slack/server.ts';
import { sleep } from '../../support/clock.ts';
import { sallyport, sallyportProcess } from '../../support/command.ts';
import { testFolder } from '../../support/folder.ts';
import { describeRedis, startRedis } from '../../support/redis.ts';
import { type RoleProcess, startRole } from '../../support/role.ts';

async function dev(folder: string, environment: Record<string, string> = {}): Promise<RoleProcess> {
  const role = await startRole({ role: 'dev', folder, environment });
  onTestFinished(() => role.kill());
  return role;
}

const logOf = (folder: string, role: string, { port }: RoleProcess) =>
  readFile(join(folder, `${role}-${port}.log`), 'utf8');

/** What a person types: `sallyport keygen >> .env`. Only lines that `keep` are written. */
async function keygen(folder: string, keep = /./): Promise<void> {
  const { code, out } = await sallyport(['keygen'], { folder });
  expect(code).toBe(0);
  const lines = out.split('\n').filter((line) => keep.test(line));
  await writeFile(join(folder, '.env'), `${lines.join('\n')}\n`, { flag: 'a' });
}

async function send(folder: string, { url }: RoleProcess, ...args: string[]): Promise<string> {
  const { code, out, err } = await sallyport(['send', 'slack', '--url', url, ...args], { folder });
  expect([code, err]).toEqual([0, '']);
  return out.split(/\s/)[2] ?? '';
}

async function stateOf(folder: string, { url }: RoleProcess, id: string): Promise<unknown> {
  const { out, err } = await sallyport(['events', 'show', id, '--json'], {
    folder,
    environment: { SALLYPORT_URL: url },
  });
  expect(err).toBe('');
  return (JSON.parse(out) as { state: unknown }).state;
}

test('README example: dev, then keygen >> .env, then dev again on the same store', async () => {
  const folder = await testFolder();
  const first = await dev(folder);
  const before = await send(folder, first, '--wait');
  expect(await first.stop()).toBe(0);
  await keygen(folder);
  const second = await dev(folder);
  const line = (await logOf(folder, 'dev', second)).split('\n').filter((text) => text.includes('SALLYPORT_ID_KEY'));
  expect(line).toEqual([
    'SALLYPORT_ID_KEY, SALLYPORT_SEAL_KEY: dev keeps the keys its store was made with; for a store with the configured ' +
      'ones, set another SALLYPORT_DATA_DIR or remove that folder',
  ]);
  const after = await send(folder, second, '--wait');
  expect(after).not.toBe(before);
  expect(await stateOf(folder, second, before)).toBe('done');
  expect(await stateOf(folder, second, after)).toBe('done');
});

test('a production role refuses that store, and says what to do', async () => {
  const folder = await testFolder();
  await (await dev(folder)).stop();
  await keygen(folder);
  const environment = { SLACK_SIGNING_SECRET: 'x'.repeat(32), PORT: '0' };
  const message =
    'SALLYPORT_ID_KEY: is not the key this data file was made with; set that key again (dev keeps its keys in ' +
    'secrets.json beside the file), or set another SALLYPORT_DATA_DIR';
  for (const role of ['ingress', 'worker', 'all']) {
    const { code, err } = await sallyportProcess([role], { folder, environment });
    expect([code, err]).toEqual([78, `${message} (ERR_STORE_MISMATCH)\n`]);
  }
  expect((await sallyport(['doctor'], { folder, environment })).out).toContain(`FAIL  store: ${message}\n`);
});

test('another SALLYPORT_DATA_DIR gives dev a store with the configured keys, without a word', async () => {
  const folder = await testFolder();
  await (await dev(folder)).stop();
  await keygen(folder);
  await writeFile(join(folder, '.env'), 'SALLYPORT_DATA_DIR=second\n', { flag: 'a' });
  const role = await dev(folder);
  await send(folder, role, '--wait');
  expect(await logOf(folder, 'dev', role)).not.toContain('SALLYPORT_ID_KEY');
  await role.stop();
  // The store was made with the configured keys, and a production role with them may use it.
  const all = await startRole({ role: 'all', folder, environment: { SLACK_SIGNING_SECRET: 'x'.repeat(32) } });
  await all.kill();
});

test.each([
  ['all that keygen prints', /./, ['SALLYPORT_ID_KEY, SALLYPORT_SEAL_KEY']],
  ['a seal key alone', /^SALLYPORT_SEAL_KEY/, []],
  ['an id key alone', /^SALLYPORT_ID_KEY/, ['SALLYPORT_ID_KEY']],
])('a capability sealed before .env had keys is opened after: %s', async (_, keep, overridden) => {
  const folder = await testFolder();
  const slack = await startSlackServer();
  onTestFinished(() => slack.stop());
  const environment = { SLACK_API_URL: slack.url, SLACK_BOT_TOKEN: 'xoxb-a-token-of-the-bot' };
  const command = { command: '/ask', text: 'hello', user_id: 'U0ADA', channel_id: 'C0ONE', team_id: 'T0SALLYPORT' };
  const payload = { ...command, api_app_id: 'A0SALLYPORT', trigger_id: '1.2.3', response_url: slack.responseUrl() };
  await writeFile(join(folder, 'command.json'), JSON.stringify(payload));
  // Slack refuses the first reply, so that the event waits while the keys change.
  slack.failNext({ method: 'response_url', kind: 'status', status: 429, retryAfter: 3 });
  const first = await dev(folder, environment);
  const id = await send(folder, first, '--file', 'command.json');
  while (!slack.calls.includes('response_url')) await sleep(20);
  await first.stop();
  expect(slack.posts).toEqual([]);
  await keygen(folder, keep);
  const second = await dev(folder, environment);
  await expect.poll(() => stateOf(folder, second, id), { timeout: 30_000 }).toBe('done');
  expect(slack.posts).toMatchObject([{ via: 'response_url', text: 'echo: hello' }]);
  const told = [...(await logOf(folder, 'dev', second)).matchAll(/^(SALLYPORT_.*): dev keeps/gm)];
  expect(told.map(([, settings]) => settings)).toEqual(overridden);
});

describeRedis('on Redis', () => {
  test('dev keeps the keys of its store too, and a production role is told how to go on', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const folder = await testFolder();
    const environment = { SALLYPORT_REDIS_URL: redis.url };
    const first = await dev(folder, environment);
    const before = await send(folder, first, '--wait');
    await first.stop();
    await keygen(folder);
    const second = await dev(folder, environment);
    expect(await logOf(folder, 'dev', second)).toContain('set another SALLYPORT_REDIS_PREFIX\n');
    expect(await stateOf(folder, second, before)).toBe('done');
    await send(folder, second, '--wait');
    await second.stop();
    const settings = { ...environment, SLACK_SIGNING_SECRET: 'x'.repeat(32), PORT: '0' };
    const { code, err } = await sallyportProcess(['all'], { folder, environment: settings });
    expect([code, err]).toEqual([
      78,
      'SALLYPORT_ID_KEY: is not the value this Redis was first used with; set that value again, or set another ' +
        'SALLYPORT_REDIS_PREFIX (ERR_STORE_MISMATCH)\n',
    ]);
  });
});

test('keygen prints only what neither the environment nor .env has', async () => {
  const folder = await testFolder();
  const names = async (environment: Record<string, string> = {}): Promise<string[]> => {
    const { code, out } = await sallyport(['keygen'], { folder, environment });
    expect(code).toBe(0);
    return [...out.matchAll(/^(\w+)=\S+$/gm)].map(([, name]) => name ?? '');
  };
  const all = await names();
  expect(all).toContain('SALLYPORT_SEAL_KEY');
  expect(await names({ SALLYPORT_ID_KEY: 'x', SALLYPORT_SEAL_KEY: '' })).toEqual(
    all.filter((name) => name !== 'SALLYPORT_ID_KEY'),
  );
  // A private key printed beside another pair's public key would verify nothing.
  for (const half of ['SALLYPORT_AUDIT_KEY', 'SALLYPORT_AUDIT_PUBLIC_KEY']) {
    expect(await names({ [half]: 'x' })).toEqual(all.filter((name) => !name.includes('AUDIT')));
  }
  await keygen(folder);
  const again = await sallyport(['keygen'], { folder });
  expect(again).toEqual({ code: 0, out: '', err: 'every secret that keygen makes is set already\n' });
});
