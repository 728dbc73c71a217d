import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freshKeys } from '../../support/campaign.ts';
import { PATIENCE_MS } from '../../support/clock.ts';
import { sallyport } from '../../support/command.ts';
import { type RoleProcess, startRole } from '../../support/role.ts';

let folder: string;
let gate: RoleProcess;
let lines: string[];
const keys = { ...freshKeys(), SALLYPORT_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes' };

const audit = (args: readonly string[], input = '') =>
  sallyport(['audit', ...args], { folder, environment: { ...keys, SALLYPORT_URL: gate.url }, input });
const verify = (entries: readonly string[], ...args: string[]) => audit(['verify', '-', ...args], entries.join('\n'));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-audit-'));
  // Without credentials nothing is posted, and every run ends at once.
  const environment = { ...keys, LOG_LEVEL: 'silent', SALLYPORT_AGENT: 'echo', SLACK_BOT_TOKEN: '' };
  gate = await startRole({ role: 'all', folder, environment });
  const sent = await sallyport(['send', 'slack', '--url', gate.url, '--times', '4'], { folder, environment: keys });
  expect(sent.out.match(/200 accepted/g)).toHaveLength(4);
  await vi.waitFor(
    async () => {
      lines = (await audit(['export', '--all'])).out.split('\n').filter(Boolean);
      expect(lines).toHaveLength(5);
    },
    { timeout: PATIENCE_MS, interval: 200 },
  );
});
afterAll(async () => {
  await gate?.kill();
  await rm(folder, { recursive: true, force: true });
});

test('export prints entries as lines, oldest first, all or a part of them', async () => {
  expect(lines.map((line) => JSON.parse(line).seq)).toEqual([1, 2, 3, 4, 5]);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    ...{ tenant: 'default', actor: 'system', action: 'configuration.changed' },
    data: { role: 'all', first: true, sections: { keys: expect.any(String), server: expect.any(String) } },
  });
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({ tenant: 'default', actor: 'agent:echo', action: 'run.finished' });
  expect(await audit([])).toEqual({ code: 0, out: `${lines.join('\n')}\n`, err: '' });
  expect((await audit(['export', '--from', '2', '--limit', '3', '--json'])).out).toBe(
    `${lines.slice(1, 4).join('\n')}\n`,
  );
  expect(await audit(['export', '--from', '9'])).toEqual({ code: 0, out: '', err: 'no entries\n' });
  expect(await audit(['export', '--limit', '5000'])).toMatchObject({ code: 1, out: '' });
});

test('verify says in a line what it saw, of a file as of a pipe, without a gate', async () => {
  const { hash } = JSON.parse(lines[4] ?? '');
  const whole = `5 entries of default, 1 to 5, whole; head ${hash}\n`;
  expect(await verify(lines)).toEqual({ code: 0, out: whole, err: '' });
  expect(await verify(lines, '--head', hash)).toEqual({ code: 0, out: whole, err: '' });
  await writeFile(join(folder, 'audit.jsonl'), `${lines.slice(2).join('\r\n')}\r\n`);
  const offline = await sallyport(['audit', 'verify', 'audit.jsonl'], { folder });
  expect(offline).toEqual({ code: 0, out: `3 entries of default, 3 to 5, whole; head ${hash}\n`, err: '' });
  expect(JSON.parse((await verify(lines, '--json')).out)).toEqual({
    ok: true,
    entries: 5,
    chain: { tenant: 'default', first: 1, head: { seq: 5, hash } },
  });
  expect(await verify([])).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringMatching(/: has no entries: nothing was verified\n$/),
  });
});

test('verify names the first bad entry and why, and exits 1', async () => {
  const altered = lines.with(2, (lines[2] ?? '').replace('"replied"', '"silent"').replace('"unsent"', '"delivered"'));
  expect(altered).not.toEqual(lines);
  expect(await verify(altered)).toEqual({
    code: 1,
    out: '',
    err: 'entry 3: was altered: its hash is not that of its content\n',
  });
  expect(await verify(lines.toSpliced(1, 1))).toMatchObject({ code: 1, err: 'entry 2: is missing\n' });
  expect(await verify([...lines].reverse())).toMatchObject({ code: 1 });
  expect(await verify(lines.with(3, '{"seq":'))).toMatchObject({ code: 1, err: 'entry 4: is no entry\n' });
  // Which of the two counts is another question for every reader.
  const twofold = lines.with(3, (lines[3] ?? '').replace('"actor":', '"actor":"user:eve","act\\u006fr":'));
  expect(JSON.parse(twofold[3] ?? '')).toEqual(JSON.parse(lines[3] ?? ''));
  expect(await verify(twofold)).toMatchObject({ code: 1, err: 'entry 4: is no entry\n' });
  const spaced = lines.map((line) => line.replaceAll(',"', ' ,\t"'));
  expect(await verify(spaced)).toMatchObject({ code: 0 });
  const deep = lines.with(
    3,
    (lines[3] ?? '').replace('"data":{', `"data":{"a":${'['.repeat(5_000)}${']'.repeat(5_000)},`),
  );
  expect(await verify(deep)).toMatchObject({ code: 1, out: '' });
  const { code, out } = await verify(altered, '--json');
  expect([code, JSON.parse(out)]).toEqual([1, { ok: false, seq: 3, fault: 'altered' }]);
});

test('verify sees a missing end only when it is told an entry of it', async () => {
  const { hash } = JSON.parse(lines[4] ?? '');
  const cut = lines.slice(0, 3);
  expect(await verify(cut)).toMatchObject({ code: 0 });
  expect(await verify(cut, '--head', hash)).toMatchObject({
    code: 1,
    err: 'entry 4: is missing: a later entry is known\n',
  });
});

test('verify of what cannot be read, or by no hash, is bad usage', async () => {
  expect(await audit(['verify', 'no-such-file'])).toMatchObject({
    code: 2,
    err: 'no-such-file: there is no such file (ENOENT)\n',
  });
  expect(await verify(lines, '--head', 'x')).toMatchObject({ code: 2 });
  expect(await audit(['verify'])).toMatchObject({ code: 2 });
});

test('a restart leaves word of the forgeries until then, and of what was set differently', async () => {
  const forge = ['send', 'slack', '--url', gate.url, '--tamper', 'wrong-key', '--times', '3'];
  expect((await sallyport(forge, { folder, environment: keys })).out.match(/401/g)).toHaveLength(3);
  expect(await gate.stop()).toBe(0);
  const environment = {
    ...keys,
    LOG_LEVEL: 'error',
    SALLYPORT_AGENT: 'echo',
    SLACK_BOT_TOKEN: 'xoxb-0123456789-secret',
  };
  gate = await startRole({ role: 'all', folder, environment, port: gate.port });
  const later = (await audit(['export', '--from', '6'])).out.split('\n').filter(Boolean);
  expect(later.map((line) => JSON.parse(line))).toMatchObject([
    { action: 'delivery.forged', subject: 'slack', data: { count: 3, reasons: { signature_mismatch: 3 } } },
    {
      action: 'configuration.changed',
      data: { role: 'all', settings: ['logLevel', 'tenants.default.slack.botToken'] },
    },
  ]);
  expect(later.join()).not.toContain('xoxb');
  expect(await verify([...lines, ...later])).toMatchObject({ code: 0 });
});
