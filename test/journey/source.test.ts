import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys } from '../support/campaign.ts';
import { testFolder } from '../support/folder.ts';
import { startRole } from '../support/role.ts';

const { SLACK_BOT_TOKEN: _, ...keys } = freshKeys();

/** A gate that refuses a source after three failures, and how it answers a forgery that came by these addresses. */
async function startGate(environment: Record<string, string>) {
  const limits = { SALLYPORT_FAILURES_PER_MINUTE: '3', LOG_LEVEL: 'silent' };
  const folder = await testFolder();
  const gate = await startRole({ role: 'ingress', folder, environment: { ...keys, ...limits, ...environment } });
  onTestFinished(() => gate.kill());
  const post = async (forwardedFor: string | undefined, tamper?: 'wrong-key'): Promise<Response> => {
    const payload = slackMessage({ text: 'hi', channel: 'D0', at: Date.now() });
    const signing = { signingSecret: keys.SLACK_SIGNING_SECRET, at: Date.now(), ...(tamper && { tamper }) };
    const { headers, body } = signSlackRequest(slackJson(payload), signing);
    return fetch(`${gate.url}/hooks/slack/default`, {
      method: 'POST',
      headers: { ...headers, ...(forwardedFor !== undefined && { 'x-forwarded-for': forwardedFor }) },
      body: new Uint8Array(body),
    });
  };
  return {
    authentic: async (from: string) => (await post(from)).status,
    forge: async (from?: string) => (await post(from, 'wrong-key')).status,
    /** What the gate has logged until it was stopped. */
    log: async (): Promise<readonly Record<string, unknown>[]> => {
      await gate.stop();
      const text = await readFile(join(folder, `ingress-${gate.port}.log`), 'utf8');
      return text
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    },
  };
}

test('behind a trusted proxy each source is counted by itself, and 429 is for forgeries only', async () => {
  const { authentic, forge } = await startGate({ SALLYPORT_TRUSTED_PROXIES: '127.0.0.0/8,10.0.0.0/8,fd00::/8' });
  const from = async (...sources: string[]): Promise<number[]> => {
    const statuses: number[] = [];
    for (const source of sources) statuses.push(await forge(source));
    return statuses;
  };
  const attacker = '203.0.113.7';
  expect(await from(attacker, attacker, attacker, attacker)).toEqual([401, 401, 401, 429]);
  // What stands left of the nearest stranger is what that stranger wrote; proxies of ours may stand right of it.
  const disguises = [
    `198.51.100.1, ${attacker}`,
    `${attacker}, 10.1.2.3`,
    `x, ${attacker} , 10.1.2.3, fd00::1`,
    `::ffff:${attacker}`,
    '::ffff:cb00:7107',
    `[::ffff:${attacker}]:443`,
    `${attacker}:1234`,
    `198.51.100.1:80, ${attacker}:65535, [fd00::1]:8080`,
  ];
  expect(await from(...disguises)).toEqual(disguises.map(() => 429));
  expect(await authentic(attacker)).toBe(200);
  expect(await from('198.51.100.1')).toEqual([401]);
  // A subscriber has a whole /64.
  expect(await from('2001:db8:1:2::1', '2001:db8:1:2:ffff::2', '2001:db8:1:2::3', '2001:db8:1:2:3:4:5:6')).toEqual([
    401, 401, 401, 429,
  ]);
  expect(await from('2001:db8:1:3::1', '[2001:db8:1:3::2]:443', '[2001:db8:1:3::3]', '2001:db8:1:3::4')).toEqual([
    401, 401, 401, 429,
  ]);
});

test('an IPv6 site that takes another network for each request is counted as one: eight times a subscriber’s failures', async () => {
  const { forge } = await startGate({ SALLYPORT_TRUSTED_PROXIES: '127.0.0.0/8' });
  const statuses: number[] = [];
  for (let i = 0; i < 26; i += 1) statuses.push(await forge(`2001:db8:7:${i.toString(16)}::1`));
  expect(statuses).toEqual([...Array.from({ length: 24 }, () => 401), 429, 429]);
  expect(await forge('2001:db8:8:1::1')).toBe(401);
});

test('a header that is no list of addresses counts for the proxy that sent it', async () => {
  const { forge } = await startGate({ SALLYPORT_TRUSTED_PROXIES: '127.0.0.0/8' });
  const statuses: number[] = [];
  for (const garbage of ['unknown', 'c4n4ry', '1.2.3.4.5', '', undefined]) statuses.push(await forge(garbage));
  expect(statuses).toEqual([401, 401, 401, 429, 429]);
});

test('without trusted proxies the connection’s address counts', async () => {
  const { forge } = await startGate({});
  const statuses: number[] = [];
  for (let i = 1; i <= 5; i += 1) statuses.push(await forge());
  expect(statuses).toEqual([401, 401, 401, 429, 429]);
});

test('a peer that sends X-Forwarded-For without being trusted is named once and is not limited: it is many senders', async () => {
  const { forge, authentic, log } = await startGate({ LOG_LEVEL: 'warn' });
  const statuses: number[] = [];
  for (let i = 1; i <= 9; i += 1) statuses.push(await forge(`203.0.113.${i % 2}`));
  expect(statuses).toEqual(statuses.map(() => 401));
  expect(await forge()).toBe(401);
  expect(await authentic('203.0.113.1')).toBe(200);
  const lines = await log();
  expect(lines.filter(({ msg }) => msg === 'proxy.untrusted')).toMatchObject([
    { peer: '127.0.0.1', setting: 'SALLYPORT_TRUSTED_PROXIES' },
  ]);
});

test('the first forgery of a source is logged at once, the others of a minute in one line', async () => {
  const { forge, log } = await startGate({ LOG_LEVEL: 'warn' });
  for (let i = 0; i < 20; i += 1) await forge();
  const lines = await log();
  const own = lines.filter(({ msg }) => String(msg).startsWith('delivery.'));
  const reports = lines.filter(({ msg }) => msg === 'source.unproven');
  // The minute may have ended meanwhile.
  expect(own.length).toBe(reports.length);
  expect(own[0]).toMatchObject({ msg: 'delivery.rejected', code: 'ERR_SIGNATURE_MISMATCH', source: '127.0.0.1' });
  expect(reports.reduce((sum, { count }) => sum + Number(count), 0)).toBe(20);
  expect(reports[0]).toMatchObject({
    source: '127.0.0.1',
    kinds: [{ tenant: 'default', channel: 'slack', reason: 'signature_mismatch' }],
  });
});
