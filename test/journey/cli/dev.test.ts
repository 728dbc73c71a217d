import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freshKeys } from '../../support/campaign.ts';
import { sallyport, sallyportProcess } from '../../support/command.ts';
import { testFolder } from '../../support/folder.ts';
import { freePort } from '../../support/free-port.ts';
import { type RoleProcess, startRole } from '../../support/role.ts';
import { until } from '../../support/until.ts';

/** Starts it and waits for its banner, which comes after it listens. */
async function dev(folder: string): Promise<RoleProcess> {
  const role = await startRole({ role: 'dev', folder, environment: {} });
  onTestFinished(() => role.kill());
  await until('the hint is logged', async () => (await logOf(folder, role)).includes('npx sallyport send'));
  return role;
}

const logOf = (folder: string, { port }: RoleProcess) => readFile(join(folder, `dev-${port}.log`), 'utf8');
const secretsOf = (folder: string) => readFile(join(folder, '.sallyport', 'secrets.json'), 'utf8');
const modeOf = async (...path: string[]) => ((await stat(join(...path))).mode & 0o777).toString(8);

/** The arguments of a command line as a shell would split it. */
const words = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');

/** The command the banner tells a person to try, without `npx sallyport`. */
async function suggested(folder: string, role: RoleProcess): Promise<string[]> {
  return words(/npx sallyport (send .+)/.exec(await logOf(folder, role))?.[1] ?? '');
}

test('README example: dev starts with nothing, and the command it prints shows the reply', async () => {
  const folder = await testFolder();
  const role = await dev(folder);
  const banner = await logOf(folder, role);
  expect(banner).not.toMatch(/WARN|attempt\.finished|eyJ/);
  for (const text of ['no sallyport.config file', 'Agents              echo', 'Data folder         .sallyport\n'])
    expect(banner).toContain(text);
  for (const url of [`${role.url}/hooks/slack/default`, `${role.url}/events`]) expect(banner).toContain(url);
  const { code, out, err } = await sallyportProcess(await suggested(folder, role), { folder });
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/^200 accepted ev_[0-9A-Z]{26}\necho: hello\n/);
});

test('the command in the banner prints a token that opens the API', async () => {
  const folder = await testFolder();
  const role = await dev(folder);
  const command = /npx sallyport (token .+)/.exec(await logOf(folder, role))?.[1] ?? '';
  const { out } = await sallyport(words(command), { folder });
  const headers = { authorization: `Bearer ${out.trim()}` };
  expect((await fetch(`${role.url}/events`, { headers })).status).toBe(200);
});

test('what dev writes is private to its user, and no secret is printed', async () => {
  const folder = await testFolder();
  const role = await dev(folder);
  expect(await modeOf(folder, '.sallyport')).toBe('700');
  for (const file of ['secrets.json', 'sallyport.db']) expect(await modeOf(folder, '.sallyport', file)).toBe('600');
  const printed = await logOf(folder, role);
  const secrets = Object.values(JSON.parse(await secretsOf(folder)) as Record<string, string>);
  expect(secrets.length).toBeGreaterThanOrEqual(4);
  expect(secrets.filter((secret) => printed.includes(secret))).toEqual([]);
});

test('a second start uses the first one’s secrets and data', async () => {
  const folder = await testFolder();
  const first = await dev(folder);
  const { out } = await sallyport(await suggested(folder, first), { folder });
  const id = out.split(/\s/)[2] ?? '';
  const secrets = await secretsOf(folder);
  expect(await first.stop()).toBe(0);
  const second = await dev(folder);
  expect(await secretsOf(folder)).toBe(secrets);
  const shown = await sallyport(['events', 'show', id, '--json'], {
    folder,
    environment: { SALLYPORT_URL: second.url },
  });
  expect(JSON.parse(shown.out)).toMatchObject({ id, state: 'done' });
});

test('SIGTERM and SIGINT end it in order, with 0', async () => {
  const folder = await testFolder();
  const role = await dev(folder);
  expect(await role.stop()).toBe(0);
  expect(await logOf(folder, role)).toMatch(/process\.stopped\s*$/);
  await role.restart();
  const exited = new Promise((resolve) => role.child.once('exit', resolve));
  role.child.kill('SIGINT');
  expect(await exited).toBe(0);
});

test('two that start at once agree on the secrets', async () => {
  const folder = await testFolder();
  const roles = await Promise.all([dev(folder), dev(folder)]);
  for (const role of roles) {
    const { code, out } = await sallyport(['send', 'slack', '--url', role.url, '--wait'], { folder });
    expect([code, out]).toEqual([0, expect.stringContaining('echo: hello')]);
  }
});

test('damaged secrets are not replaced: it says so and exits 78', async () => {
  const folder = await testFolder();
  await (await dev(folder)).stop();
  await writeFile(join(folder, '.sallyport', 'secrets.json'), '{ "SLACK_SIGNING_SECRET": 1');
  const { code, err } = await sallyportProcess(['dev'], { folder, environment: { PORT: '0' } });
  expect([code, err]).toEqual([78, expect.stringMatching(/^\S+secrets\.json: is damaged.*\n$/)]);
});

test('a folder that cannot be made and a port that is taken are told by the setting to change', async () => {
  const folder = await testFolder();
  await writeFile(join(folder, 'file'), '');
  const noFolder = await sallyportProcess(['dev'], { folder, environment: { SALLYPORT_DATA_DIR: 'file/below' } });
  expect([noFolder.code, noFolder.err]).toEqual([1, 'SALLYPORT_DATA_DIR: cannot be written (ENOTDIR)\n']);
  const environment = { ...freshKeys(), SALLYPORT_DATA_DIR: 'file/below' };
  const noStore = await sallyportProcess(['all'], { folder, environment });
  expect([noStore.code, noStore.err]).toEqual([78, expect.stringMatching(/^SALLYPORT_DATA_DIR: .*\n$/)]);
  const { port } = await dev(folder);
  const taken = await sallyportProcess(['dev'], { folder, environment: { PORT: String(port), LOG_LEVEL: 'silent' } });
  expect([taken.code, taken.err]).toEqual([1, 'PORT: another process listens there already\n']);
});

test('a configuration file’s secrets come before made-up ones, for dev and for send', async () => {
  const folder = await testFolder();
  const slack = { signingSecrets: ['the-signing-secret-of-the-file'] };
  await writeFile(
    join(folder, 'sallyport.config.json'),
    JSON.stringify({ tenants: { default: { slack }, acme: { slack } } }),
  );
  const role = await dev(folder);
  for (const tenant of ['default', 'acme']) {
    const args = ['send', 'slack', '--url', role.url, '--tenant', tenant, '--wait'];
    const { code, out } = await sallyport(args, { folder });
    expect([code, out]).toEqual([0, expect.stringContaining('echo: hello')]);
  }
  // The file's secret it was, and not the made-up one that lies next to it.
  const { SLACK_SIGNING_SECRET } = JSON.parse(await secretsOf(folder)) as Record<string, string>;
  const other = { folder: await testFolder(), environment: { SLACK_SIGNING_SECRET: SLACK_SIGNING_SECRET ?? '' } };
  expect((await sallyport(['send', 'slack', '--url', role.url], other)).code).toBe(1);
});

test('an event is read over SALLYPORT_URL; when nothing answers there, that is said', async () => {
  const folder = await testFolder();
  await (await dev(folder)).stop();
  const origin = `http://127.0.0.1:${await freePort()}`;
  const environment = { SALLYPORT_URL: `${origin}/` };
  for (const args of [['events'], ['events', 'show', 'ev_1'], ['events', 'park', 'ev_1'], ['send', 'slack']]) {
    const { code, out, err } = await sallyport(args, { folder, environment });
    expect([code, out, err]).toEqual([1, '', expect.stringMatching(new RegExp(`nothing answers at ${origin}\n$`))]);
  }
  const wrong = await sallyport(['events'], { folder, environment: { SALLYPORT_URL: 'gate.example' } });
  expect([wrong.code, wrong.err]).toEqual([78, 'SALLYPORT_URL: is not a URL\n']);
});
