import { type ChildProcess, spawn } from 'node:child_process';
import { appendFile, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { startSlackServer } from '../../../src/testing/slack/server.ts';
import { endWithParent } from '../../support/children.ts';
import { type Finished, sallyport, sallyportProcess } from '../../support/command.ts';
import { testFolder } from '../../support/folder.ts';
import { freePort } from '../../support/free-port.ts';
import { testWith } from '../../support/needs.ts';
import { startRedis } from '../../support/redis.ts';
import { startRole } from '../../support/role.ts';
import { until } from '../../support/until.ts';

const root = join(import.meta.dirname, '..', '..', '..');

/** What `npm install` puts there. */
async function install(folder: string): Promise<void> {
  await mkdir(join(folder, 'node_modules', '@slack'), { recursive: true });
  await symlink(root, join(folder, 'node_modules', 'sallyport'));
  await symlink(join(root, 'node_modules', '@slack', 'bolt'), join(folder, 'node_modules', '@slack', 'bolt'));
}

async function newFolder({ isInstalled = true } = {}): Promise<string> {
  const folder = await testFolder();
  if (isInstalled) await install(folder);
  return folder;
}

const init = (folder: string, ...args: string[]): Promise<Finished> => sallyport(['init', ...args], { folder });
const contentOf = (folder: string, name: string): Promise<string> => readFile(join(folder, name), 'utf8');
const namesIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name !== 'node_modules').sort();

/** Starts `dev` as a person does, and has it answer a message. */
async function firstReply(folder: string, environment: Readonly<Record<string, string>> = {}): Promise<Finished> {
  const dev = await startRole({ role: 'dev', folder, environment });
  onTestFinished(() => dev.kill());
  return sallyportProcess(['send', 'slack', '--text', 'hello', '--wait', '--url', dev.url], { folder });
}

describe('what init writes starts and answers', () => {
  test.each([
    ['with types where the package is installed', true, ['agent.ts', 'sallyport.config.ts']],
    ['as plain JavaScript where it is not', false, ['agent.mjs', 'sallyport.config.mjs']],
  ])('an agent in the folder, %s', async (_, isInstalled, files) => {
    const folder = await newFolder({ isInstalled });
    expect(await init(folder, '--yes')).toMatchObject({ code: 0, err: '' });
    expect(await namesIn(folder)).toEqual(['.env', '.gitignore', ...files, 'compose.yaml'].sort());
    const { code, out } = await firstReply(folder);
    expect([code, out]).toEqual([0, expect.stringContaining('\nYou said: hello\n')]);
  });

  testWith('python3')('a program in Python over HTTP, started as the next step says', async () => {
    const folder = await newFolder();
    const { out: said } = await init(folder, '--yes', '--agent', 'http');
    const command = /^ {2}(env .*python3 agent\.py)$/m.exec(said)?.[1] ?? '';
    const port = await freePort();
    const agent = start(command, folder, { PORT: String(port) });
    await until('the agent listens', () =>
      fetch(`http://127.0.0.1:${port}/`).then(
        () => true,
        () => false,
      ),
    );
    const { code, out } = await firstReply(folder, { SALLYPORT_AGENT_URL: `http://127.0.0.1:${port}/` });
    expect([code, out]).toEqual([0, expect.stringContaining('\nYou said: hello\n')]);
    agent.kill();
  });

  test('a Bolt app, which posts by itself', async () => {
    const folder = await newFolder();
    expect(await init(folder, '--yes', '--agent', 'bolt')).toMatchObject({ code: 0, err: '' });
    const slack = await startSlackServer();
    onTestFinished(() => slack.stop());
    const { code } = await firstReply(folder, { SLACK_BOT_TOKEN: 'xoxb-of-the-test-app', SLACK_API_URL: slack.url });
    expect(code).toBe(0);
    expect(slack.posts.map(({ text }) => text)).toEqual(['You said: hello']);
  });

  function start(command: string, folder: string, environment: Readonly<Record<string, string>>): ChildProcess {
    const env = { PATH: process.env.PATH ?? '', ...environment };
    const child = endWithParent(spawn('sh', ['-c', `exec ${command}`], { cwd: folder, env, stdio: 'ignore' }));
    onTestFinished(() => void child.kill());
    return child;
  }
});

test('secrets are fresh, complete, private and kept from git', async () => {
  const [one, two] = [await newFolder(), await newFolder()];
  for (const folder of [one, two]) await init(folder, '--yes', '--agent', 'http', '--channel', 'slack,gmail');
  const [first, second] = await Promise.all(
    [one, two].map(async (folder) => parseEnv(await contentOf(folder, '.env'))),
  );
  for (const name of Object.keys(first ?? {})) expect([name, first?.[name]]).not.toEqual([name, second?.[name]]);
  expect(Object.keys(first ?? {}).sort()).toEqual([
    'SALLYPORT_AGENT_SECRET',
    'SALLYPORT_ID_KEY',
    'SALLYPORT_JWT_SECRET',
    'SALLYPORT_METRICS_TOKEN',
    'SALLYPORT_SEAL_KEY',
  ]);
  expect((await stat(join(one, '.env'))).mode & 0o777).toBe(0o600);
  expect(await contentOf(one, '.gitignore')).toBe('.env\n.sallyport/\n');
  // What keygen adds has no effect as long as no checkpoints are configured, and `doctor` would say so.
  const environment = first as Record<string, string>;
  const { out } = await sallyport(['keygen'], { folder: one, environment });
  expect(Object.keys(parseEnv(out)).sort()).toEqual(['SALLYPORT_AUDIT_KEY', 'SALLYPORT_AUDIT_PUBLIC_KEY']);
  const text = await contentOf(one, '.env');
  for (const name of ['SLACK_SIGNING_SECRET', 'SLACK_BOT_TOKEN', 'GMAIL_TOPIC']) expect(text).toContain(`# ${name}=`);
  expect(text).not.toContain('GRAPH_');
});

test('nothing is overwritten, and what is kept is named', async () => {
  const folder = await newFolder();
  const own = { '.env': 'SALLYPORT_SEAL_KEY=mine\n', 'agent.ts': '// mine\n', '.gitignore': 'dist\n/.env' };
  for (const [name, text] of Object.entries(own)) await writeFile(join(folder, name), text);
  await writeFile(join(folder, 'sallyport.config.json'), '{}');
  const { code, out } = await init(folder, '--yes');
  expect(code).toBe(0);
  for (const name of ['.env', 'agent.ts', 'sallyport.config.json'])
    expect(out).toMatch(new RegExp(`^kept   ${name}`, 'm'));
  expect(await contentOf(folder, '.env')).toBe(own['.env']);
  expect(await contentOf(folder, 'agent.ts')).toBe(own['agent.ts']);
  expect(await contentOf(folder, '.gitignore')).toBe('dist\n/.env\n.sallyport/\n');
  // Another configuration would come before theirs.
  expect(await namesIn(folder)).not.toContain('sallyport.config.ts');
  expect(out).toContain('agents: [agent]');
  expect(out).toContain('npx sallyport keygen >> .env');
  const before = await Promise.all((await namesIn(folder)).map((name) => contentOf(folder, name)));
  expect((await init(folder, '--yes')).out).not.toMatch(/^wrote|^added/m);
  expect(await Promise.all((await namesIn(folder)).map((name) => contentOf(folder, name)))).toEqual(before);
});

test('asks what no option says; an empty answer and the end of the input are what it suggests', async () => {
  const answered = await newFolder();
  const { code, err } = await sallyport(['init'], { folder: answered, input: 'slack, teams\nhttp\n' });
  expect([code, err]).toEqual([
    0,
    'Channels, of slack, graph, gmail, teams [slack]:\nWhat answers, file or http or bolt [file]:\n',
  ]);
  expect(await contentOf(answered, '.env')).toContain('# TEAMS_APP_ID=');
  expect(await namesIn(answered)).toContain('agent.py');
  const silent = await newFolder();
  expect(await sallyport(['init', '--channel', 'graph'], { folder: silent })).toMatchObject({ code: 0 });
  expect(await namesIn(silent)).toContain('agent.ts');
});

test('an impossible answer is refused in one line, and nothing is written', async () => {
  const folder = await newFolder();
  for (const [args, line] of [
    [['--channel', 'slak'], '--channel: must be a comma list of slack, graph, gmail, teams'],
    [['--channel', ','], '--channel: must be a comma list of slack, graph, gmail, teams'],
    [['--agent', 'python'], '--agent: must be one of file, http, bolt'],
    [['--agent', 'bolt', '--channel', 'gmail'], '--agent: bolt answers in slack only; add it to --channel'],
  ] as const) {
    expect(await init(folder, '--yes', ...args)).toEqual({ code: 2, out: '', err: `${line}\n` });
  }
  expect(await namesIn(folder)).toEqual([]);
});

test('--dir makes the folder, and the next steps begin there', async () => {
  const folder = await newFolder({ isInstalled: false });
  const { code, out } = await init(folder, '--yes', '--dir', 'my/gate');
  expect([code, await namesIn(join(folder, 'my', 'gate'))]).toEqual([0, expect.arrayContaining(['.env', 'agent.mjs'])]);
  expect(out).toContain('next:\n  cd my/gate\n');
});

testWith('redis-server')('the role and the Redis of the compose file answer, with the secrets of .env', async () => {
  const folder = await newFolder();
  await init(folder, '--yes');
  const { services } = parse(await contentOf(folder, 'compose.yaml'));
  const [role] = /CMD \[".*", "(\w+)"\]/.exec(services.gate.build.dockerfile_inline)?.slice(1) ?? [];
  const redis = await startRedis({ args: services.redis.command.slice(1) });
  onTestFinished(() => redis.stop());
  await appendFile(join(folder, '.env'), 'SLACK_SIGNING_SECRET=the-signing-secret-of-the-app\n');
  const environment = { SALLYPORT_REDIS_URL: redis.url };
  const gate = await startRole({ role: role ?? '', folder, environment });
  onTestFinished(() => gate.kill());
  const { code, out } = await sallyportProcess(['send', 'slack', '--wait', '--url', gate.url], { folder, environment });
  expect([code, out]).toEqual([0, expect.stringContaining('\nYou said: hello\n')]);
});

test.each(['file', 'http', 'bolt'])(
  'the compose file asks of Redis what the gate does, and copies what is there: %s',
  async (agent) => {
    const folder = await newFolder();
    await init(folder, '--yes', '--agent', agent);
    const text = await contentOf(folder, 'compose.yaml');
    const { services } = parse(text);
    expect(services.redis.command).toEqual(['redis-server', '--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
    expect(services.gate).toMatchObject({
      env_file: '.env',
      environment: { SALLYPORT_REDIS_URL: 'redis://redis:6379' },
    });
    const copied = [...services.gate.build.dockerfile_inline.matchAll(/^COPY (.*) \.\/$/gm)].flatMap(([, names]) =>
      names.split(' '),
    );
    const written = await namesIn(folder);
    expect(copied.filter((name) => !name.startsWith('package'))).toEqual(
      written
        .filter((name) => /\.ts$/.test(name))
        .sort()
        .reverse(),
    );
    // What listens on the machine is for this machine alone.
    expect(services.gate.ports).toEqual(['127.0.0.1:8787:8787']);
    if (agent === 'http') expect(services.agent).toMatchObject({ network_mode: 'service:gate', env_file: '.env' });
    for (const secret of Object.values(parseEnv(await contentOf(folder, '.env')))) expect(text).not.toContain(secret);
  },
);
