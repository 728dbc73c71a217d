import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { signSlackRequest, slackJson, slackMessage } from '../../../src/testing/slack/signer.ts';
import { ensureBuilt } from '../../support/built.ts';
import { freshKeys } from '../../support/campaign.ts';
import { sallyportProcess } from '../../support/command.ts';
import { testFolder } from '../../support/folder.ts';
import { startRole } from '../../support/role.ts';
import { until } from '../../support/until.ts';

const token = ['gh', 'p_', 'q7Xw2LmZ9v', 'b1C2d3E4f5', 'G6h7J8k9L0mNpQrS'].join('');

/** A secret, a forged line of a log, a line separator, and characters that turn or move what a reader sees. */
const HOSTILE = `cannot use ${token}\n{"level":30,"msg":"forged"}\u2028x\u001b[2Jy\u202ez\u009b31m`;
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

const thrown = `new Error(${JSON.stringify(HOSTILE)}, { cause: new Error(${JSON.stringify(HOSTILE)}) })`;

/** Where a program dies. */
const deaths: Readonly<Record<string, string>> = {
  'an exception nobody caught': `setTimeout(() => { throw ${thrown}; }, 0)`,
  'a rejection nobody handled': `Promise.reject(${thrown})`,
  'an exception that is no error': `setTimeout(() => { throw ${JSON.stringify(HOSTILE)}; }, 0)`,
};

async function folderWith(config: string): Promise<string> {
  await ensureBuilt();
  const folder = await testFolder();
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, 'sallyport.config.js'), config);
  return folder;
}

function expectOneCleanLine(text: string): void {
  expect(text).not.toContain(token);
  expect(text).not.toMatch(UNSAFE);
  expect(text.split('\n')).toEqual([expect.any(String), '']);
}

describe('a command', () => {
  test.each(Object.entries(deaths))('ends with one clean line after %s', async (_, death) => {
    const waiting = 'await new Promise((resolve) => setTimeout(resolve, 1_000));';
    const folder = await folderWith(`${death};\n${waiting}\nexport default {};`);
    const { code, out, err } = await sallyportProcess(['events', 'list'], { folder });
    expect([code, out]).toEqual([1, '']);
    expectOneCleanLine(err);
  });

  test('says in one clean line what an error says that it did not expect', async () => {
    const folder = await folderWith(`export default new Proxy({}, { ownKeys() { throw ${thrown}; } });`);
    const { code, err } = await sallyportProcess(['events', 'list'], { folder });
    expect(code).toBe(1);
    expectOneCleanLine(err);
    expect(err).toContain('[secret:github-token#');
  });

  test('shows what an API says without letting it write lines of its own', async () => {
    const server = createServer((_, response) =>
      response.writeHead(500).end(JSON.stringify({ title: HOSTILE, code: `ERR\n${HOSTILE}` })),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const folder = await folderWith('export default {};');
    const environment = {
      SALLYPORT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      SALLYPORT_TOKEN: 'a-token',
    };
    const { code, err } = await sallyportProcess(['events', 'list'], { folder, environment });
    expect(code).toBe(1);
    expectOneCleanLine(err);
  });
});

describe('a role that runs', () => {
  test.each(Object.entries(deaths))('ends with one clean line in its log after %s', async (_, death) => {
    const run = `async run() { ${death}; await new Promise(() => {}); }`;
    const folder = await folderWith(`export default { agents: [{ name: 'dying', ${run} }] };`);
    const keys = freshKeys();
    const role = await startRole({ role: 'all', folder, environment: keys });
    onTestFinished(() => role.kill());
    const payload = slackJson(slackMessage({ text: 'hello', channel: 'D0', at: Date.now() }));
    const signed = signSlackRequest(payload, { signingSecret: keys.SLACK_SIGNING_SECRET, at: Date.now() });
    await fetch(`${role.url}/hooks/slack/default`, { ...signed, body: new Uint8Array(signed.body) });
    await until('the role has ended', () => role.child.exitCode !== null || role.child.signalCode !== null);
    expect(role.child.exitCode).toBe(1);
    const text = await readFile(join(folder, `all-${role.port}.log`), 'utf8');
    expect(text).not.toContain(token);
    expect(text).not.toMatch(UNSAFE);
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { level: number; msg: string });
    // What was under way, such as the delivery that led to the run, may still be logged after it.
    expect(lines.filter(({ msg }) => msg === 'process.crashed')).toMatchObject([{ level: 50 }]);
    for (const { msg } of lines) expect(msg).not.toBe('forged');
  });
});
