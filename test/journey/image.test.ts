import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { lastOf, parseDockerfile, type Stage } from '../../deploy/local/dockerfile.ts';
import { copiesOf } from '../../deploy/local/processes.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { ensureBuilt } from '../support/built.ts';
import { freshKeys } from '../support/campaign.ts';
import { endPidWithParent, endWithParent } from '../support/children.ts';
import { freePort } from '../support/free-port.ts';
import { testWith } from '../support/needs.ts';
import { exchange, rawRequest } from '../support/raw-http.ts';
import { until } from '../support/until.ts';

/**
 * What the Dockerfile describes, without Docker: its last stage as a file system of bubblewrap that has what is copied, Node and
 * the C library, is read-only, has no shell, and in which Node is process 1 of a namespace, as its user.
 */

const root = join(import.meta.dirname, '..', '..');
const dockerfile = readFileSync(join(root, 'deploy', 'docker', 'Dockerfile'), 'utf8');

/** The options of bwrap that make the container of a stage. Its network is this machine's. */
function container(stage: Stage): readonly string[] {
  const bind = (from: string, to: string): readonly string[] => ['--ro-bind', from, to];
  const libraries = ['/lib', '/lib64', '/usr/lib'].filter(existsSync).flatMap((path) => bind(path, path));
  const [uid = '', gid = uid] = lastOf(stage, 'USER')?.text.split(':') ?? [];
  return [
    ...libraries,
    ...bind(process.execPath, '/nodejs/bin/node'),
    ...copiesOf(stage, root).flatMap(([target, source]) => bind(source, target)),
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/data', '--remount-ro', '/', '--chdir', '/app'],
    ...['--unshare-user', '--uid', uid, '--gid', gid, '--unshare-pid', '--as-pid-1', '--cap-drop', 'ALL', '--clearenv'],
  ];
}

const settings = (environment: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(environment).flatMap(([name, value]) => ['--setenv', name, value]);

/** The process that bwrap started, by its number on this machine. */
async function innerPid(bwrap: ChildProcess): Promise<number> {
  let pid = 0;
  await until('bwrap has started its process', () => {
    const children = `/proc/${bwrap.pid}/task/${bwrap.pid}/children`;
    pid = existsSync(children) ? Number(readFileSync(children, 'utf8').trim()) : 0;
    return pid > 0;
  });
  onTestFinished(endPidWithParent(pid));
  return pid;
}

testWith('bwrap')(
  'as process 1, read-only and without a shell, the gate is healthy, and SIGTERM drains it',
  async () => {
    await ensureBuilt();
    const stage = parseDockerfile(dockerfile).at(-1) ?? { base: '', name: null, instructions: [] };
    const port = await freePort();
    const keys = freshKeys();
    const environment = { ...keys, HOST: '127.0.0.1', PORT: String(port), SALLYPORT_DATA_DIR: '/data' };
    const options = [...container(stage), ...settings(environment)];
    const entry = lastOf(stage, 'ENTRYPOINT')?.words ?? [];
    const role = lastOf(stage, 'CMD')?.words ?? [];
    const bwrap = spawn('bwrap', [...options, ...entry, ...role], { stdio: ['ignore', 'pipe', 'pipe'] });
    endWithParent(bwrap);
    let log = '';
    for (const stream of [bwrap.stdout, bwrap.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        log += text;
      });
    }
    const exited = new Promise<number | null>((resolve) => bwrap.once('close', resolve));
    const pid = await innerPid(bwrap);
    const health = lastOf(stage, 'HEALTHCHECK')?.words ?? [];
    const check = (...args: readonly string[]) =>
      spawnSync('bwrap', [...options, ...health, ...args], { encoding: 'utf8', timeout: 30_000 });

    await until('the gate listens', () => {
      if (bwrap.exitCode !== null) throw new Error(`the gate ended with ${bwrap.exitCode}: ${log}`);
      return log.includes('process.listening');
    });
    expect(check()).toMatchObject({ status: 0, stdout: '/health: 200\n' });
    await until('the gate is ready', () => check('/ready').status === 0, { everyMs: 200 });
    expect(check('/nowhere')).toMatchObject({ status: 1, stdout: '/nowhere: 404\n' });

    const state = readFileSync(`/proc/${pid}/status`, 'utf8');
    // The number in its own namespace is the last one.
    expect(state).toMatch(/^NSpid:\t.*\b1$/m);
    expect(state).toMatch(/^CapEff:\t0+$/m);
    const inside = ['/nodejs/bin/node', '-p', "process.getuid() + ' ' + require('fs').readdirSync('/').join()"];
    const seen = spawnSync('bwrap', [...options, ...inside], { encoding: 'utf8' }).stdout;
    expect(seen).toBe('65532 app,data,dev,lib,lib64,nodejs,proc,usr\n');
    const write = ['/nodejs/bin/node', '-e', "require('fs').writeFileSync('/app/dist/cli.js', '')"];
    expect(spawnSync('bwrap', [...options, ...write], { encoding: 'utf8' }).stderr).toMatch(/EROFS|EACCES/);
    expect(await readdir(`/proc/${pid}/root/app`)).toEqual(
      expect.arrayContaining(['LICENSE', 'bin', 'dist', 'healthcheck.js', 'node_modules', 'package.json']),
    );

    const at = Date.now();
    const payload = slackJson(slackMessage({ text: 'in flight', at }));
    const { headers, body } = signSlackRequest(payload, { signingSecret: keys.SLACK_SIGNING_SECRET, at });
    const sent = { host: 'x', ...headers, 'content-length': String(body.length) };
    const bytes = rawRequest('POST /hooks/slack/default HTTP/1.1', sent, body);
    let isStopping = false;
    function* halves() {
      yield bytes.subarray(0, -10);
      while (!isStopping) yield 20;
      yield bytes.subarray(-10);
    }
    const exchanging = exchange(port, halves(), { untilClosed: true });
    await until('the gate answers others', async () => (await fetch(`http://127.0.0.1:${port}/health`)).ok);
    process.kill(pid, 'SIGTERM');
    await until('the gate is stopping', () => log.includes('process.stopping'));
    expect(check()).toMatchObject({ status: 1, stdout: '/health: ECONNREFUSED\n' });
    isStopping = true;
    const { answers } = await exchanging;
    expect(answers[0]?.status).toBe(200);
    expect(answers[0]?.headers.get('x-sallyport-outcome')).toBe('accepted');
    expect(await exited).toBe(0);
    expect(log).toContain('process.stopped');
  },
);
