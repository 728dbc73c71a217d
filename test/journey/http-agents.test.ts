import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  type HttpAgentServer,
  signCallback,
  startHttpAgentServer,
} from '../../src/testing/agents/http-agent-server.ts';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import { type SlackMessageOptions, signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys } from '../support/campaign.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { testFolder } from '../support/folder.ts';
import { type RoleProcess, startRole } from '../support/role.ts';

const secretOf = (fill: number): string => `whsec_${Buffer.alloc(32, fill).toString('base64')}`;
const [NAMED, OTHERS] = [secretOf(1), secretOf(2)];
const eventually = (assertion: () => void) => vi.waitFor(assertion, { timeout: PATIENCE_MS, interval: 50 });

let slack: SlackServer;
let named: HttpAgentServer;
let others: HttpAgentServer;
beforeEach(async () => {
  slack = await startSlackServer();
  named = await startHttpAgentServer({ secret: NAMED, react: () => ({ status: 202 }) });
  others = await startHttpAgentServer({ secret: OTHERS, react: () => ({ reply: { text: 'from others' } }) });
});
afterEach(() => Promise.all([slack.stop(), named.stop(), others.stop()]));

/** Two programs in a file without code: one for what names the app, one for the rest of Slack. */
async function startGate(keys: ReturnType<typeof freshKeys>): Promise<RoleProcess> {
  const folder = await testFolder();
  const agents = [
    { name: 'named', match: { mentioned: true }, http: { url: named.url, secrets: [NAMED], timeout: '5s' } },
    { name: 'others', match: { channels: ['slack'] }, http: { url: others.url, secrets: [OTHERS] } },
  ];
  await writeFile(join(folder, 'sallyport.config.json'), JSON.stringify({ agents }));
  const environment = { ...keys, SALLYPORT_DATA_DIR: folder, SLACK_API_URL: slack.url };
  return startRole({ role: 'all', environment, folder });
}

test('two programs answer what they match, and each calls back with its own secret only', async () => {
  const keys = freshKeys();
  const gate = await startGate(keys);
  const say = async (message: Omit<SlackMessageOptions, 'at'>): Promise<void> => {
    const at = Date.now();
    const signing = { signingSecret: keys.SLACK_SIGNING_SECRET, at };
    const { method, headers, body } = signSlackRequest(slackJson(slackMessage({ ...message, at })), signing);
    await fetch(`${gate.url}/hooks/slack/default`, { method, headers, body: new Uint8Array(body) });
  };
  const callBack = async (secret: string, run = named.requests[0]?.run ?? ''): Promise<number> => {
    const callback = signCallback({ secret, run, answer: { reply: { text: 'from named' } } });
    return (await fetch(`${gate.url}/callbacks/${run}`, callback)).status;
  };
  try {
    await say({ text: 'hello' });
    await eventually(() => expect(slack.posts).toMatchObject([{ text: 'from others' }]));
    await say({ text: '<@U0APP> hello', asMention: true });
    await eventually(() => expect(named.requests).toHaveLength(1));
    expect(named.requests[0]).toMatchObject({ run: expect.stringContaining('.named.'), event: { mentioned: true } });

    expect(await callBack(OTHERS)).toBe(401);
    expect(await callBack(NAMED, named.requests[0]?.run.replace('.named.', '.others.'))).toBe(401);
    expect(await callBack(NAMED, named.requests[0]?.run.replace('.named.', '.nobody.'))).toBe(401);
    expect(slack.posts).toHaveLength(1);
    expect(await callBack(NAMED)).toBe(200);
    await eventually(() => expect(slack.posts).toMatchObject([{}, { text: 'from named' }]));
    expect([named.refused, others.refused, others.requests.length]).toEqual([0, 0, 1]);
  } finally {
    await gate.kill();
  }
});
