import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys } from '../support/campaign.ts';
import { testFolder } from '../support/folder.ts';
import { exchange, rawRequest } from '../support/raw-http.ts';
import { startRole } from '../support/role.ts';
import { until } from '../support/until.ts';

/** Ends a line, hides one, moves the cursor, or turns the reading direction. */
const CONTROLS = [
  ...['\n', '\r\n', '\r', '\u0000', '\u0008', '\u000b', '\u001b[2J\u001b[1;1H', '\u007f', '\u0085', '\u009b31m'],
  ...['\u2028', '\u2029', '\u202e', '\u200f', '\u2066', '\u061c'],
];
const FORGED = '{"level":50,"msg":"forged.line"}';
const hostile = `${CONTROLS.map((control) => `${control}${FORGED}`).join('')}`;

const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

const token = ['gh', 'p_', 'q7Xw2LmZ9v', 'b1C2d3E4f5', 'G6h7J8k9L0mNpQrS'].join('');

const ROOT = join(import.meta.dirname, '..', '..');

/** What a process writes that logs these. */
function logged(options: object): string {
  const script = join(ROOT, 'test', 'support', 'log-child.ts');
  const jiti = join(ROOT, 'node_modules', 'jiti', 'lib', 'jiti-cli.mjs');
  const { stdout, stderr } = spawnSync(process.execPath, [jiti, script, JSON.stringify(options)], { encoding: 'utf8' });
  // Standard output belongs to what a command prints.
  expect(stdout).toBe('');
  return stderr;
}

test('an error with hostile text is one line of JSON that says all of it', () => {
  const text = logged({ isPretty: false, fields: { tenant: hostile, [hostile]: 1 }, message: hostile, cause: hostile });
  expect(text).not.toMatch(UNSAFE);
  const [first, second, end, ...more] = text.split('\n');
  expect([end, more]).toEqual(['', []]);
  expect(JSON.parse(first ?? '')).toMatchObject({ level: 30, msg: 'first.line', tenant: hostile, [hostile]: 1 });
  expect(JSON.parse(second ?? '')).toMatchObject({
    level: 50,
    msg: 'second.line',
    error: { name: 'Error', message: hostile, cause: { message: hostile } },
  });
});

test('for a person to read, it is one line as well', () => {
  const text = logged({
    isPretty: true,
    fields: { tenant: hostile, list: [hostile] },
    message: hostile,
    cause: hostile,
  });
  expect(text).not.toMatch(UNSAFE);
  expect(text.trimEnd().split('\n')).toHaveLength(2);
  expect(text).toMatch(/^\d\d:\d\d:\d\d\.\d{3} first\.line tenant=/);
  expect(text).toMatch(/\n\d\d:\d\d:\d\d\.\d{3} ERROR second\.line /);
});

test.each([false, true])('a secret in an error does not reach the log (pretty: %s)', (isPretty) => {
  const fields = { note: `token ${token}`, nested: [{ token }] };
  const text = logged({ isPretty, fields, message: `could not use ${token}`, cause: `because of ${token}` });
  expect(text).not.toContain(token);
  expect(text).toContain('[secret:');
});

test('a delivery and its run are one line each, joined by the event’s id; what was sent is in none', async () => {
  const folder = await testFolder();
  const { SLACK_BOT_TOKEN: _, ...keys } = freshKeys();
  const environment = { ...keys, SALLYPORT_TRUSTED_PROXIES: '127.0.0.0/8', LOG_LEVEL: 'debug' };
  const gate = await startRole({ role: 'all', folder, environment });
  onTestFinished(() => gate.kill());
  const post = async (text: string, tamper?: 'wrong-key') => {
    const payload = slackMessage({ text, channel: 'D0', at: Date.now() });
    const signing = { signingSecret: keys.SLACK_SIGNING_SECRET, at: Date.now(), ...(tamper && { tamper }) };
    const { headers, body } = signSlackRequest(slackJson(payload), signing);
    // Header bytes as an attacker may write them: NUL and line ends do not pass the parser, the rest does.
    const bytes = Buffer.from('\u202e\u2028\u0085').toString('latin1');
    const pairs = {
      host: `127.0.0.1:${gate.port}`,
      ...headers,
      'content-length': String(body.length),
      'user-agent': `c4n4ry-agent${bytes}${FORGED}`,
      'x-forwarded-for': `c4n4ry-source${bytes}, ${FORGED}`,
    };
    const { answers } = await exchange(gate.port, [rawRequest('POST /hooks/slack/default HTTP/1.1', pairs, body)]);
    return answers[0];
  };
  const accepted = await post(`c4n4ry-text ${hostile}`);
  expect((await post('c4n4ry-forgery', 'wrong-key'))?.status).toBe(401);
  const id = accepted?.headers.get('x-sallyport-event') ?? '';
  const read = () => readFile(join(folder, `all-${gate.port}.log`), 'utf8');
  await until('the attempt is logged', async () => (await read()).includes('attempt.finished'));
  expect(await gate.stop()).toBe(0);
  const text = await read();
  expect(text).not.toMatch(UNSAFE);
  expect(text).not.toMatch(/c4n4ry|forged\.line/);
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines.filter(({ eventId }) => eventId === id).map(({ msg }) => msg)).toEqual([
    'delivery.accepted',
    'attempt.finished',
  ]);
  expect(lines.filter(({ msg }) => String(msg).startsWith('delivery.'))).toMatchObject([
    { msg: 'delivery.accepted', level: 30, tenant: 'default', channel: 'slack', status: 200, outcome: 'accepted' },
    { msg: 'delivery.rejected', level: 40, code: 'ERR_SIGNATURE_MISMATCH', status: 401, source: '127.0.0.1' },
  ]);
  const requestIds = lines.flatMap(({ requestId }) => (requestId === undefined ? [] : [requestId]));
  expect(requestIds).toEqual([accepted?.headers.get('x-request-id'), expect.any(String)]);
  for (const line of lines)
    expect(line).toMatchObject({ level: expect.any(Number), time: expect.any(Number), msg: expect.any(String) });
  expect(lines.at(-1)).toMatchObject({ msg: 'process.stopped' });
});

test('an error that is its own cause is one line as well', () => {
  const [, second, ...more] = logged({ isPretty: false, fields: {}, message: 'round' }).trim().split('\n');
  expect(JSON.parse(second ?? '')).toMatchObject({
    msg: 'second.line',
    error: { message: 'round', cause: { message: 'round' } },
  });
  expect(more).toEqual([]);
});
