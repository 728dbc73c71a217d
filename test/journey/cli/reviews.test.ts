import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Io } from '../../../src/cli/io.ts';
import { runCommandLine } from '../../../src/cli/program.ts';
import { type SlackServer, startSlackServer } from '../../../src/testing/slack/server.ts';
import { freshKeys } from '../../support/campaign.ts';
import { sallyport } from '../../support/command.ts';
import { type RoleProcess, startRole } from '../../support/role.ts';
import { until } from '../../support/until.ts';

let folder: string;
let gate: RoleProcess;
let slack: SlackServer;
const keys = { ...freshKeys(), SALLYPORT_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes' };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-reviews-'));
  slack = await startSlackServer();
  const environment = {
    ...keys,
    SLACK_API_URL: slack.url,
    SALLYPORT_REVIEW_REPLIES: 'always',
    SALLYPORT_METRICS_TOKEN: 'a-token-for-metrics',
    LOG_LEVEL: 'info',
  };
  gate = await startRole({ role: 'all', folder, environment });
});
afterAll(async () => {
  await gate?.kill();
  await slack?.stop();
  await rm(folder, { recursive: true, force: true });
});

const run = (...args: string[]) => sallyport(args, { folder, environment: { ...keys, SALLYPORT_URL: gate.url } });
const reviews = (...args: string[]) => run('reviews', ...args);

/** Sends a message and waits for its reply to be held; returns the event's id. */
async function hold(text: string): Promise<string> {
  const sent = await run('send', 'slack', '--url', gate.url, '--text', text);
  const id = /ev_[0-9A-Z]{26}/.exec(sent.out)?.[0] ?? '';
  const isHeld = async (): Promise<boolean> =>
    JSON.parse((await run('events', 'show', id, '--json')).out).state === 'review';
  await until('the reply is held', isHeld, { everyMs: 50 });
  return id;
}

test('list shows what waits, in one line each, and is what `reviews` alone does', async () => {
  expect((await reviews()).err).toBe('nothing waits for a review\n');
  const id = await hold('first');
  const { code, out } = await reviews('list');
  expect(code).toBe(0);
  expect(out).toMatch(
    new RegExp(`^${id} {2}slack {2}\\S+ {2}waiting {2}asked-by=\\S+ {2}expires=\\S+Z {2}digest=\\S{22}\n$`),
  );
  expect((await reviews()).out).toBe(out);
  expect(JSON.parse((await reviews('--json')).out).reviews).toMatchObject([{ id, text: 'echo: first' }]);

  const shown = await reviews('show', id);
  expect(shown.out).toContain('to: {"via":"message","channel":');
  expect(shown.out.trimEnd().split('\n').at(-1)).toBe('echo: first');

  const metrics = await fetch(`${gate.url}/metrics`, { headers: { authorization: 'Bearer a-token-for-metrics' } });
  expect(await metrics.text()).toContain('sallyport_queue_events{state="review"} 1\n');
  await reviews('reject', id);
});

test('approve without a terminal needs the digest of what was shown with the question', async () => {
  const id = await hold('second');
  const page = await run('events', 'show', id);
  expect([page.code, page.err]).toEqual([0, '']);
  expect(page.out).toContain(`next          sallyport reviews show ${id}`);
  expect(page.out).toMatch(/asked:\n> second\n\nreply \(held\):\n> echo: second\n/);
  const blind = await reviews('approve', id);
  expect([blind.code, blind.out]).toEqual([2, '']);
  expect(blind.err).toMatch(/^approve: needs --digest .*sallyport reviews show.*\n$/);
  const shown = await reviews('show', id);
  expect(shown.out).toMatch(/\n> second\n\necho: second\n/);
  const digest = /digest=(\S+)/.exec(shown.out)?.[1] ?? '';
  const { code, out, err } = await reviews('approve', id, '--digest', digest);
  expect([code, err]).toEqual([0, '']);
  expect(out).toContain('  approved  ');
  await until('the reply is posted', () => slack.posts.length > 0);
  expect(slack.posts.map(({ text }) => text)).toEqual(['echo: second']);
});

test.each([
  ['n', 1, 'waiting'],
  ['', 1, 'waiting'],
  ['yes', 0, 'approved'],
])('at a terminal approve asks, and %j leaves it %s', async (answer, code, state) => {
  const id = await hold(`asked ${answer}`);
  const said: string[] = [];
  const say = (text: string): void => void said.push(text);
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const environment = { ...keys, SALLYPORT_URL: gate.url };
  const io: Io = { environment, folder, input, write: say, print: say, complain: say };
  input.write(`${answer}\n`);
  const never = () => Promise.reject(new Error('no role is started here'));
  const roles = {
    ingress: never,
    worker: never,
    all: never,
    dev: never,
    examine: never,
    storeCopies: never,
    storeCounts: never,
  };
  expect(await runCommandLine(['reviews', 'approve', id], io, async () => roles, '0')).toBe(code);
  expect(said[0]).toContain(`echo: asked ${answer}`.trim());
  expect(said[1]).toBe('Send this? [y/N]');
  expect(JSON.parse((await reviews('show', id, '--json')).out).state).toBe(state);
  if (state === 'waiting') await reviews('reject', id);
});

test('a text cannot hide at a terminal what would be sent', async () => {
  const id = await hold('hidden');
  await reviews('edit', id, '--text', 'pay 1\u001b[2K \u202e 000');
  const { out } = await reviews('show', id);
  expect(out.trimEnd().split('\n').at(-1)).toBe('pay 1\\u001b[2K \\u202e 000');
  await reviews('reject', id);
});

test('a digest decides about the text it stands for and no other', async () => {
  const id = await hold('third');
  const { digest } = JSON.parse((await reviews('show', id, '--json')).out);
  const edited = JSON.parse((await reviews('edit', id, '--digest', digest, '--text', 'better', '--json')).out);
  expect(edited).toMatchObject({ state: 'waiting', text: 'better', version: 2 });
  const stale = await reviews('approve', id, '--digest', digest);
  expect([stale.code, stale.out]).toEqual([1, '']);
  expect(stale.err).toEqual(
    expect.stringContaining(`${gate.url}: Another text is held than the one the digest names (ERR_REVIEW_CHANGED)`),
  );
  const approved = await reviews('approve', id, '--digest', edited.digest, '--json');
  expect([approved.err, JSON.parse(approved.out).state]).toEqual(['', 'approved']);
  await until('the edited reply is posted', () => slack.posts.at(-1)?.text === 'better');
});

test('reject ends it, with a reason', async () => {
  const id = await hold('fourth');
  const { out } = await reviews('reject', id, '--reason', 'not now', '--json');
  expect(JSON.parse(out)).toMatchObject({ state: 'rejected', decision: { by: 'operator', reason: 'not now' } });
  expect(JSON.parse((await run('events', 'show', id, '--json')).out)).toMatchObject({ state: 'done' });
});

test.each([
  [['reviews', 'show', 'ev_00000000000000000000000000'], 1, /ERR_NOT_FOUND/],
  [['reviews', 'edit', 'ev_00000000000000000000000000'], 2, /--text/],
  [['events', 'resolve', 'ev_00000000000000000000000000', '--effect', 'reply'], 2, /--outcome/],
  [
    ['events', 'resolve', 'ev_00000000000000000000000000', '--effect', 'reply', '--outcome', 'delivered'],
    1,
    /ERR_NOT_FOUND/,
  ],
])('%j fails with one line', async (args, exitCode, line) => {
  const { code, out, err } = await run(...args);
  expect([code, out, err.trim().split('\n').length]).toEqual([exitCode, '', 1]);
  expect(err).toMatch(line);
});

test('an agent’s own wish for a review counts, and its own guardrails check what reviewers write', async () => {
  const own = await mkdtemp(join(tmpdir(), 'sallyport-reviews-'));
  await writeFile(
    join(own, 'sallyport.config.js'),
    `export default { agents: [{
      name: 'mine',
      review: ({ text }) => text.includes('money'),
      run: async ({ event }) => ({ kind: 'reply', text: 'about ' + event.text }),
      guardrails: [{
        name: 'manners',
        stages: ['output'],
        check: ({ text, agent }) =>
          text.includes('damn') ? { kind: 'block', reason: 'swearing' } : { kind: 'change', text: text + ' (' + agent + ')' },
      }],
    }] };`,
  );
  const environment = { ...keys, SLACK_API_URL: slack.url, LOG_LEVEL: 'silent' };
  const other = await startRole({ role: 'all', folder: own, environment });
  try {
    const call = (...args: string[]) =>
      sallyport([...args], { folder: own, environment: { ...keys, SALLYPORT_URL: other.url } });
    const { out } = await call('send', 'slack', '--url', other.url, '--text', 'money');
    const id = /ev_[0-9A-Z]{26}/.exec(out)?.[0] ?? '';
    const waiting = async () => JSON.parse((await call('reviews', '--json')).out).reviews;
    await until('a reply is held', async () => (await waiting()).length > 0);
    expect(await waiting()).toMatchObject([{ id, text: 'about money (mine)' }]);
    const refused = await call('reviews', 'edit', id, '--text', 'damn money', '--json');
    expect([refused.code, refused.out]).toEqual([1, '']);
    expect(refused.err).toContain('(ERR_GUARDRAIL_BLOCKED)');
    const edited = await call('reviews', 'edit', id, '--text', 'no money', '--json');
    expect(JSON.parse(edited.out)).toMatchObject({ state: 'waiting', text: 'no money (mine)' });
  } finally {
    await other.kill();
    await rm(own, { recursive: true, force: true });
  }
});
