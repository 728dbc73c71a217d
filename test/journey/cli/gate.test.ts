import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freshKeys } from '../../support/campaign.ts';
import { sallyport, sallyportProcess } from '../../support/command.ts';
import { testFolder } from '../../support/folder.ts';
import { freePort } from '../../support/free-port.ts';
import { type RoleProcess, startRole } from '../../support/role.ts';
import { until } from '../../support/until.ts';

async function dev(folder: string, environment: Record<string, string> = {}): Promise<RoleProcess> {
  const role = await startRole({ role: 'dev', folder, environment });
  onTestFinished(() => role.kill());
  await until('the banner is printed', async () => (await logOf(folder, role)).includes('Try it'));
  return role;
}

const logOf = (folder: string, { port }: RoleProcess) => readFile(join(folder, `dev-${port}.log`), 'utf8');

/** Another program on a port of this machine. */
async function foreign(status = 200, body = '<html>hello</html>'): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('commands find the port and the token of the dev in their folder, whatever secret it was started with', async () => {
  const folder = await testFolder();
  const role = await dev(folder, { SALLYPORT_JWT_SECRET: 'a-secret-that-only-dev-was-given-here' });
  const record = join(folder, '.sallyport', 'dev.json');
  expect(JSON.parse(await readFile(record, 'utf8'))).toMatchObject({ pid: role.child.pid, url: role.url });
  expect(((await stat(record)).mode & 0o777).toString(8)).toBe('600');
  const sent = await sallyport(['send', 'slack', '--wait'], { folder });
  expect([sent.code, sent.out]).toEqual([0, expect.stringContaining('echo: hello')]);
  expect(await sallyport(['events', '--json'], { folder })).toMatchObject({ code: 0, err: '' });
  // Named, it is the same gate.
  expect(await sallyport(['events', '--url', role.url], { folder })).toMatchObject({ code: 0, err: '' });
  await role.stop();
  await expect(stat(record)).rejects.toThrow('ENOENT');
});

test('the record of a dev that was killed is known to be stale, and what to do is said', async () => {
  const folder = await testFolder();
  const role = await dev(folder);
  await role.kill();
  expect(JSON.parse(await readFile(join(folder, '.sallyport', 'dev.json'), 'utf8'))).toMatchObject({ url: role.url });
  const port = String(await freePort());
  const { code, out, err } = await sallyport(['events'], { folder, environment: { PORT: port } });
  expect([code, out]).toEqual([1, '']);
  expect(err).toBe(
    `nothing answers at http://127.0.0.1:${port}; start \`sallyport dev\` here, or name the gate with --url or SALLYPORT_URL\n`,
  );
});

test('dev keeps its secrets in the data folder that the configuration file names, and takes over earlier ones', async () => {
  const folder = await testFolder();
  await writeFile(join(folder, 'sallyport.config.json'), JSON.stringify({ store: { dataDir: 'data' } }));
  const key = Buffer.alloc(32, 3).toString('base64');
  const names = ['SLACK_SIGNING_SECRET', 'SALLYPORT_SEAL_KEY', 'SALLYPORT_ID_KEY', 'SALLYPORT_JWT_SECRET'];
  const earlier = JSON.stringify(Object.fromEntries(names.map((name) => [name, key])));
  await mkdir(join(folder, '.sallyport'));
  await writeFile(join(folder, '.sallyport', 'secrets.json'), earlier);
  const role = await dev(folder);
  expect(await readFile(join(folder, 'data', 'secrets.json'), 'utf8')).toBe(earlier);
  for (const file of ['secrets.json', 'vendors.json', 'dev.json', 'sallyport.db'])
    await stat(join(folder, 'data', file));
  expect(await readdir(join(folder, '.sallyport'))).toEqual(['secrets.json']);
  expect(await logOf(folder, role)).toMatch(/Configuration +sallyport\.config\.json\n.*\n +Data folder +data\n/);
  const { code, out } = await sallyportProcess(['send', 'slack', '--wait'], { folder });
  expect([code, out]).toEqual([0, expect.stringContaining('echo: hello')]);
});

test.each([
  [['events'], 200, '<html>hello</html>'],
  [['events'], 401, 'who are you?'],
  [['reviews'], 200, '{"hello":"world"}'],
  [['send', 'slack'], 401, ''],
  [['send', 'slack'], 404, '{"error":"no"}'],
])('another program on the port is called that: %j', async (args, status, body) => {
  const url = await foreign(status, body);
  const environment = {
    ...freshKeys(),
    SALLYPORT_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes',
    SALLYPORT_URL: url,
  };
  const { code, err } = await sallyport(args, { folder: await testFolder(), environment });
  expect(code).toBe(1);
  expect(err).toContain(`${url} answered, but it is not Sallyport`);
});

test('plain http to another host needs a word of the user, and a failure names the URL', async () => {
  const folder = await testFolder();
  const keys = { ...freshKeys(), SALLYPORT_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes' };
  const refusal = 'plain http to another host can be read on the way';
  for (const command of [['events'], ['reviews'], ['budgets'], ['audit'], ['subscriptions'], ['send', 'slack']]) {
    const named = await sallyport([...command, '--url', 'http://gate.invalid'], { folder, environment: keys });
    expect([command, named.code, named.err]).toEqual([command, 2, expect.stringContaining(`--url: ${refusal}`)]);
  }
  const environment = { ...keys, SALLYPORT_URL: 'http://gate.invalid' };
  const set = await sallyport(['events'], { folder, environment });
  expect([set.code, set.err]).toEqual([78, expect.stringContaining(`SALLYPORT_URL: ${refusal}`)]);
  const allowed = [
    await sallyport(['events', '--insecure'], { folder, environment }),
    await sallyport(['events'], { folder, environment: { ...environment, SALLYPORT_URL_INSECURE: '1' } }),
    await sallyport(['events', '--url', 'https://gate.invalid'], { folder, environment: keys }),
  ];
  for (const { code, err } of allowed) {
    expect([code, err]).toEqual([1, expect.stringMatching(/^nothing answers at https?:\/\/gate\.invalid\n$/)]);
  }
});

test('--port and --config of a role come before its settings', async () => {
  const folder = await testFolder();
  const port = await freePort();
  const slack = { signingSecrets: 'the-signing-secret-of-the-file' };
  await writeFile(join(folder, 'other.json'), JSON.stringify({ tenants: { acme: { slack } }, server: { port: 1 } }));
  const { SLACK_SIGNING_SECRET: _, ...keys } = freshKeys();
  const environment = { ...keys, HOST: '127.0.0.1', PORT: '2', SALLYPORT_CONFIG: 'missing.json' };
  const missing = await sallyport(['all', '--config', 'nowhere.json'], { folder, environment });
  expect([missing.code, missing.err]).toEqual([78, 'nowhere.json: does not exist\n']);
  const role = await startRole({
    role: 'all',
    args: ['--port', String(port), '--config', 'other.json'],
    folder,
    port,
    environment,
  });
  onTestFinished(() => role.kill());
  const sent = await sallyport(['send', 'slack', '--tenant', 'acme', '--url', role.url], {
    folder,
    environment: { SALLYPORT_CONFIG: 'other.json' },
  });
  expect([sent.code, sent.err]).toEqual([0, '']);
});

test('lines of .env that set nothing are named by their numbers, and no value is shown', async () => {
  const folder = await testFolder();
  const lines = [
    '# a comment',
    '',
    'GOOD=1',
    'SECRET s3cret',
    'export OTHER="two',
    'lines"',
    '=s3cret',
    "OPEN='s3cret",
  ];
  await writeFile(join(folder, '.env'), `${lines.join('\n')}\n`);
  const { code, err } = await sallyportProcess(['keygen', 'relay'], { folder });
  expect([code, err]).toEqual([
    0,
    [4, 7, 8].map((line) => `.env: line ${line} is not NAME=value, and sets nothing\n`).join(''),
  ]);
});
