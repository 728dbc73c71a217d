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
  ];
  expect(await from(...disguises)).toEqual([429, 429, 429, 429]);
  expect(await authentic(attacker)).toBe(200);
  expect(await from('198.51.100.1')).toEqual([401]);
  // A subscriber has a whole /64.
  expect(await from('2001:db8:1:2::1', '2001:db8:1:2:ffff::2', '2001:db8:1:2::3', '2001:db8:1:2:3:4:5:6')).toEqual([
    401, 401, 401, 429,
  ]);
  expect(await from('2001:db8:1:3::1')).toEqual([401]);
});

test('a header that is no list of addresses counts for the proxy that sent it', async () => {
  const { forge } = await startGate({ SALLYPORT_TRUSTED_PROXIES: '127.0.0.0/8' });
  const statuses: number[] = [];
  for (const garbage of ['unknown', 'c4n4ry', '1.2.3.4.5', '', undefined]) statuses.push(await forge(garbage));
  expect(statuses).toEqual([401, 401, 401, 429, 429]);
});

test('without trusted proxies nobody is believed about where he comes from', async () => {
  const { forge } = await startGate({});
  const statuses: number[] = [];
  for (let i = 1; i <= 5; i += 1) statuses.push(await forge(`203.0.113.${i}`));
  expect(statuses).toEqual([401, 401, 401, 429, 429]);
});
