import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { endWithParent } from '../support/children.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { testFolder } from '../support/folder.ts';
import { freePort } from '../support/free-port.ts';
import { AGENT_SECRET, type HttpGate, openHttpGate } from '../support/http-agent.ts';
import { testWith } from '../support/needs.ts';

const root = join(import.meta.dirname, '..', '..');
const text = readFileSync(join(root, 'docs', 'http-agent.md'), 'utf8');
const example = (language: string): string => text.split(`\`\`\`${language}\n`)[1]?.split('```')[0] ?? '';

let http: HttpGate | undefined;
let child: ChildProcess | undefined;
afterEach(async () => {
  child?.kill('SIGKILL');
  await http?.stop();
});

test('the receiver in JavaScript that the docs show answers the gate and nobody else', () =>
  answersTheGateOnly('js', 'agent.mjs', process.execPath));

testWith('python3')('the receiver in Python that the docs show answers the gate and nobody else', () =>
  answersTheGateOnly('python', 'agent.py', 'python3'),
);

async function answersTheGateOnly(language: string, file: string, program: string): Promise<void> {
  const folder = await testFolder();
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, file), example(language));
  const port = await freePort();
  const env = { PATH: process.env.PATH, PORT: String(port), SALLYPORT_AGENT_SECRET: AGENT_SECRET };
  child = endWithParent(spawn(program, [file], { cwd: folder, env, stdio: 'ignore' }));
  const url = `http://127.0.0.1:${port}/`;
  const forged = { method: 'POST', headers: forgery(), body: '{}' };
  await vi.waitFor(async () => expect((await fetch(url, forged)).status).toBe(401), {
    timeout: PATIENCE_MS,
    interval: 50,
  });
  http = await openHttpGate({ agentUrl: url });
  expect(await http.drain(await http.say('hello'))).toMatchObject({ state: 'done' });
  expect(http.slack.posts).toMatchObject([{ text: 'You said: hello' }]);
}

const forgery = (): Record<string, string> => ({
  'webhook-id': 'msg_1',
  'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
  'webhook-signature': `v1,${Buffer.alloc(32).toString('base64')}`,
});
