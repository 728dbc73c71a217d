import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type IncomingHttpHeaders, request as requestHttp } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { ensureBuilt } from '../support/built.ts';
import { endPidWithParent, endWithParent } from '../support/children.ts';
import { describeWith } from '../support/needs.ts';
import { until } from '../support/until.ts';

/** `npm run deploy:local -- --tls`, from the files of deploy/compose, with real Redis and a real proxy. */

const local = join(import.meta.dirname, '..', '..', 'deploy', 'local');
const SIGNING_SECRET = 'a-signing-secret-of-this-deployment';

/** Generous: five processes start one after the other, on a machine that may be loaded. */
const START_MS = 150_000;

let folder: string;
let slack: SlackServer;

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Asked {
  readonly url: string;
  readonly ca?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** The address the request comes from. */
  readonly from?: string;
}

/** Certificates are verified, by `ca` alone. */
function ask({ url, ca, method = 'GET', headers = {}, body, from = '127.0.0.1' }: Asked): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { method, headers, localAddress: from, family: 4, agent: false };
    const asking =
      ca === undefined ? requestHttp(url, options) : request(url, { ...options, ca, servername: 'localhost' });
    asking.once('error', reject).once('response', (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.once('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: text }));
    });
    asking.end(body);
  });
}

interface Deployment {
  /** By what the script calls them. */
  readonly urls: Readonly<Record<string, string>>;
  readonly pids: readonly number[];
  readonly ca: string;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

async function start(): Promise<Deployment> {
  const args = ['--import', 'tsx', join(local, 'start.ts'), '--tls', '--port', '0', '--folder', folder];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  endWithParent(child);
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      for (const [, pid] of chunk.matchAll(/\(process (\d+)\)/g))
        pids.push([Number(pid), endPidWithParent(Number(pid))]);
      text += chunk;
    });
  }
  const pids: [number, () => void][] = [];
  await until(
    'the deployment is ready',
    () => {
      if (child.exitCode !== null) throw new Error(`deploy:local ended with ${child.exitCode}: ${text}`);
      return text.includes('ready;');
    },
    { withinMs: START_MS },
  );
  return {
    urls: Object.fromEntries([...text.matchAll(/^(\w+): (https?:\S+)$/gm)].map(([, name, url]) => [name, url])),
    pids: pids.map(([pid]) => pid),
    ca: await readFile(join(folder, 'tls', 'ca.crt'), 'utf8'),
    stop: async () => {
      child.kill('SIGTERM');
      const code = await exited;
      for (const [, ended] of pids) ended();
      return code;
    },
  };
}

const init = () =>
  spawnSync(process.execPath, [join(local, 'init.js'), '--state', folder, '--env', join(folder, '.env')], {
    encoding: 'utf8',
  });

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** Every file below the folder of keys, with its mode and its content. */
async function filesOf(): Promise<ReadonlyMap<string, { readonly mode: string; readonly text: string }>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const files = paths.map(async (path) => {
    const { mode } = await stat(path);
    return [path, { mode: (mode & 0o777).toString(8), text: await readFile(path, 'utf8') }] as const;
  });
  return new Map(await Promise.all(files));
}

describeWith(
  'redis-server',
  'redis-cli',
  'openssl',
  'caddy',
)('a local deployment', () => {
  let deployment: Deployment;

  beforeAll(async () => {
    await ensureBuilt();
    folder = await mkdtemp(join(tmpdir(), 'sallyport-deploy-'));
    slack = await startSlackServer({ token: 'xoxb-of-this-deployment' });
    expect(init().status).toBe(0);
    const gate = join(folder, 'gate');
    await writeFile(join(gate, 'signing-secret'), SIGNING_SECRET, { mode: 0o600 });
    await writeFile(join(gate, 'bot-token'), 'xoxb-of-this-deployment', { mode: 0o600 });
    const settings = await readFile(join(folder, '.env'), 'utf8');
    const own = settings
      .replace('SLACK_SIGNING_SECRET_FILE=', '$&/etc/sallyport/signing-secret')
      .replace('SLACK_BOT_TOKEN_FILE=', '$&/etc/sallyport/bot-token');
    await writeFile(join(folder, '.env'), `${own}SLACK_API_URL=${slack.url}\n`);
    deployment = await start();
  });
  afterAll(async () => {
    await deployment?.stop();
    await slack?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  test('init makes files that others cannot read, and changes none on a second run', async () => {
    const before = await filesOf();
    const keys = [...before].filter(([path]) => /\/(secrets|tls|gate)\/|\.env$/.test(path.slice(folder.length)));
    expect(keys.length).toBeGreaterThan(20);
    expect(keys.filter(([, { mode }]) => mode !== '600')).toEqual([]);
    expect(init()).toMatchObject({ status: 0, stderr: '' });
    const after = await filesOf();
    expect(keys.filter(([path, { text }]) => after.get(path)?.text !== text)).toEqual([]);
  });

  test('a signed Slack event passes the TLS proxy, and its reply is posted', async () => {
    const payload = slackMessage({ text: 'through the proxy', at: Date.now() });
    const { headers, body } = signSlackRequest(slackJson(payload), { signingSecret: SIGNING_SECRET, at: Date.now() });
    const hook = { url: `${deployment.urls.proxy}/hooks/slack/default`, ca: deployment.ca, method: 'POST' };
    const answer = await ask({ ...hook, headers, body: new Uint8Array(body) });
    expect(answer).toMatchObject({ status: 200, headers: { 'x-sallyport-outcome': 'accepted' } });
    // Whether the ingress believes X-Forwarded-Proto.
    expect(answer.headers['strict-transport-security']).toBeDefined();
    await until('the reply is posted', () => slack.posts.length > 0);
    expect(slack.posts.map(({ text }) => text)).toEqual(['echo: through the proxy']);
    expect(await ask({ ...hook, headers, body: Buffer.from('{}') })).toMatchObject({ status: 401 });
  });

  test('the proxy shows a certificate of the authority alone, and other names are refused', async () => {
    const { urls, ca } = deployment;
    const other = await readFile(join(folder, 'tls', 'redis', 'tls.crt'), 'utf8');
    await expect(ask({ url: `${urls.proxy}/health`, ca: other })).rejects.toThrow(/certificate/);
    const misnamed = { url: `${urls.proxy}/health`, ca, headers: { host: 'other.example' } };
    expect(await ask(misnamed)).toMatchObject({ status: 421 });
  });

  test('the ingress, the worker and Redis speak TLS alone', async () => {
    const { urls, ca } = deployment;
    for (const url of [urls.ingress ?? '', urls.worker ?? '']) {
      expect(await ask({ url: `${url}/health`, ca })).toMatchObject({ status: 200 });
      await expect(ask({ url: `${url.replace('https:', 'http:')}/health` })).rejects.toThrow();
    }
    const redis = await readFile(join(folder, 'run', 'worker', 'run', 'secrets', 'redis-url-tls'), 'utf8');
    expect(redis).toMatch(/^rediss:/);
    const port = new URL(redis.replace('rediss:', 'https:')).port;
    const plain = spawnSync('redis-cli', ['-p', port, '-e', 'ping'], { encoding: 'utf8', timeout: 10_000 });
    expect(plain.status).not.toBe(0);
    expect(plain.stdout).not.toContain('PONG');
    const withTls = ['--tls', '--cacert', join(folder, 'tls', 'ca.crt'), '-p', port, '-e'];
    const nameless = spawnSync('redis-cli', [...withTls, 'ping'], { encoding: 'utf8', timeout: 10_000 });
    expect(nameless.stderr + nameless.stdout).toContain('NOAUTH');
  });

  test('/metrics needs its token, and is not there from outside', async () => {
    const { urls, ca } = deployment;
    const token = await readFile(join(folder, 'secrets', 'metrics-token'), 'utf8');
    const headers = { authorization: `Bearer ${token}` };
    for (const url of [`${urls.ingress}/metrics`, `${urls.worker}/metrics`]) {
      expect(await ask({ url, ca })).toMatchObject({ status: 401 });
      expect(await ask({ url, ca, headers })).toMatchObject({ status: 200 });
    }
    for (const path of ['/metrics', '/metrics/', '/metrics;a'])
      expect([path, await ask({ url: `${urls.proxy}${path}`, ca, headers })]).toMatchObject([
        path,
        { status: 404, body: '' },
      ]);
  });

  test('plain HTTP leads to the port of TLS, and to no other host', async () => {
    const { redirect, proxy } = deployment.urls;
    const answer = await ask({ url: `${redirect}/x?y=1` });
    expect([answer.status, answer.headers.location]).toEqual([308, `${proxy}/x?y=1`]);
    const other = await ask({ url: `${redirect}/x`, headers: { host: 'evil.example' } });
    expect([other.status, other.headers.location]).toEqual([421, undefined]);
  });

  test('the ingress sees the client behind the proxy, and not what the client calls itself', async () => {
    const guess = (from: string, claimed: string) =>
      ask({
        ...{ url: `${deployment.urls.proxy}/events`, ca: deployment.ca, from },
        headers: { authorization: 'Bearer a.b.c', 'x-forwarded-for': claimed },
      });
    // After five refused tokens a source is locked out (SALLYPORT_API_FAILURES).
    for (let n = 0; n < 5; n += 1) expect(await guess('127.0.0.21', `203.0.113.${n}`)).toMatchObject({ status: 401 });
    expect(await guess('127.0.0.21', '203.0.113.99')).toMatchObject({ status: 429 });
    expect(await guess('127.0.0.22', '127.0.0.21')).toMatchObject({ status: 401 });
  });

  test('a second deployment in the same folder is refused', () => {
    const args = ['--import', 'tsx', join(local, 'start.ts'), '--port', '0', '--folder', folder];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/is in use by process \d+/) });
  });

  test('SIGTERM ends every process and removes the copies of secrets', async () => {
    const { pids } = deployment;
    expect(pids).toHaveLength(4);
    expect(pids.filter(isAlive)).toEqual(pids);
    expect(await deployment.stop()).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
    expect(await readdir(folder)).not.toContain('run');
    const logs = join(folder, 'logs');
    for (const role of ['ingress', 'worker']) {
      expect(await readFile(join(logs, `${role}.log`), 'utf8')).toContain('process.stopped');
    }
  });
});

test('a program that is missing is named with the way to get it', () => {
  const args = ['--import', 'tsx', join(local, 'start.ts')];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env: { PATH: '/nonexistent' } });
  expect(status).toBe(1);
  expect(stderr).toContain('missing redis-server, redis-cli, openssl, caddy: run `npm run setup`, or `apt-get install');
});
