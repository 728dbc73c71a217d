import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SlackServer, startSlackServer } from '../../../src/testing/slack/server.ts';
import { freshKeys } from '../../support/campaign.ts';
import { sallyport } from '../../support/command.ts';
import { type RoleProcess, startRole } from '../../support/role.ts';

let folder: string;
let gate: RoleProcess;
let slack: SlackServer;
const keys = { ...freshKeys(), SALLYPORT_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes' };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-budgets-'));
  slack = await startSlackServer();
  const environment = {
    ...keys,
    SLACK_API_URL: slack.url,
    LOG_LEVEL: 'silent',
    SALLYPORT_METRICS_TOKEN: 'a-token-for-metrics',
  };
  gate = await startRole({ role: 'all', folder, environment });
});
afterAll(async () => {
  await gate?.kill();
  await slack?.stop();
  await rm(folder, { recursive: true, force: true });
});

const budgets = (...args: string[]) =>
  sallyport(['budgets', ...args], { folder, environment: { ...keys, SALLYPORT_URL: gate.url } });

test('list shows the standard limits, and is what `budgets` alone does', async () => {
  const { code, out, err } = await budgets('list');
  expect([code, err]).toEqual([0, '']);
  expect(out.trim().split('\n')).toEqual([
    expect.stringMatching(
      /^tenant {2}usd\/day {2}max=5\.00 {2}spent=0\.00 {2}reserved=0\.00 {2}resets=\S+T00:00:00\.000Z$/,
    ),
    'user  runs/hour  max=5',
    'run  modelCalls/run  max=20',
    'run  seconds/run  max=120',
  ]);
  expect(await budgets()).toEqual({ code, out, err });
});

test('set changes limits of a scope, in dollars, and without any gives back the configured ones', async () => {
  const { out } = await budgets('set', 'tenant', 'usd/day=2.5', 'tokens/hour=unlimited');
  expect(out).toMatch(/^tenant {2}usd\/day {2}max=2\.50 {2}.*set-by-operator$/m);
  expect(out).toMatch(/^tenant {2}tokens\/hour {2}max=unlimited {2}/m);
  expect(JSON.parse((await budgets('--json')).out).limits[0]).toMatchObject({ max: 2_500_000, setBy: 'operator' });
  expect((await budgets('set', 'tenant')).out).not.toContain('set-by-operator');
});

test.each([
  [['set', 'tenant', 'usd/day=2,5'], 2, /^limits: must be like/],
  [['set', 'tenant', 'usd=2'], 2, /^limits: must be like/],
  [['set', 'team', 'usd/day=2'], 1, /ERR_NOT_FOUND/],
  [['set', 'tenant', 'usd/week=2'], 1, /ERR_INVALID_REQUEST/],
  [['kill', 'maybe'], 2, /^kill: must be on or off/],
])('%j fails with one line', async (args, exitCode, line) => {
  const { code, out, err } = await budgets(...args);
  expect([code, out, err.trim().split('\n').length]).toEqual([exitCode, '', 1]);
  expect(err).toMatch(line);
});

test('kill stops what runs until it is turned off', async () => {
  expect((await budgets('kill', 'on')).out).toBe('kill switch on\n');
  expect((await budgets()).err).toMatch(/kill switch is on/);
  const send = (text: string) =>
    sallyport(['send', 'slack', '--url', gate.url, '--text', text, '--wait'], { folder, environment: keys });
  expect((await send('one')).out).not.toContain('echo: one');
  expect((await budgets('kill', 'off')).out).toBe('kill switch off\n');
  expect((await send('two')).out).toContain('echo: two');
});

test('metrics know the scopes and nobody else', async () => {
  const response = await fetch(`${gate.url}/metrics`, { headers: { authorization: 'Bearer a-token-for-metrics' } });
  const text = await response.text();
  expect(text).toContain('# TYPE sallyport_budget_spent_micros counter');
  expect(text).toContain('# TYPE sallyport_budget_refused_total counter');
});
