import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { endWithParent } from '../support/children.ts';
import { testFolder } from '../support/folder.ts';
import { AGENT_SECRET, type HttpGate, openHttpGate } from '../support/http-agent.ts';

const root = join(import.meta.dirname, '..', '..');
const text = readFileSync(join(root, 'docs', 'http-agent.md'), 'utf8');
const example = (language: string): string => text.split(`\`\`\`${language}\n`)[1]?.split('```')[0] ?? '';

let http: HttpGate | undefined;
let child: ChildProcess | undefined;
afterEach(async () => {
  child?.kill('SIGKILL');
  await http?.stop();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const hasPython = spawnSync('python3', ['-c', 'b"".removeprefix(b"")']).status === 0;

test.each([
  ['js', 'agent.mjs', process.execPath, true],
  ['python', 'agent.py', 'python3', hasPython],
])('the receiver in %s that the docs show answers the gate and nobody else', async (language, file, program, is) => {
  if (!is) return;
  const folder = await testFolder();
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, file), example(language));
  const port = await freePort();
  const env = { PATH: process.env.PATH, PORT: String(port), SALLYPORT_AGENT_SECRET: AGENT_SECRET };
  child = endWithParent(spawn(program, [file], { cwd: folder, env, stdio: 'ignore' }));
  const url = `http://127.0.0.1:${port}/`;
  const forged = { method: 'POST', headers: forgery(), body: '{}' };
  await vi.waitFor(async () => expect((await fetch(url, forged)).status).toBe(401), { timeout: 20_000, interval: 50 });
  http = await openHttpGate({ agentUrl: url });
  expect(await http.drain(await http.say('hello'))).toMatchObject({ state: 'done' });
  expect(http.slack.posts).toMatchObject([{ text: 'You said: hello' }]);
});

const forgery = (): Record<string, string> => ({
  'webhook-id': 'msg_1',
  'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
  'webhook-signature': `v1,${Buffer.alloc(32).toString('base64')}`,
});
