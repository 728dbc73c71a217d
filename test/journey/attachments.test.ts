import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type LlmServer, startLlmServer } from '../../src/testing/agents/llm-server.ts';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { sampleSecrets } from '../fixtures/secrets.ts';
import { freshKeys, seeded } from '../support/campaign.ts';
import { everyByte, holds, leaks } from '../support/canary/search.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { testFolder } from '../support/folder.ts';
import { startRole } from '../support/role.ts';

const secrets = sampleSecrets(seeded(20_266));

const eventually = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { timeout: PATIENCE_MS, interval: 50 });

let slack: SlackServer;
let llm: LlmServer;
let elsewhere: Server;
let asked: string[];
beforeEach(async () => {
  const { SLACK_BOT_TOKEN } = keys;
  slack = await startSlackServer({ token: SLACK_BOT_TOKEN });
  llm = await startLlmServer({ answer: () => ({ text: 'read' }) });
  asked = [];
  elsewhere = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization}`);
    response.end('from elsewhere');
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
});
afterEach(() => Promise.all([slack.stop(), llm.stop(), elsewhere.close()]));

const keys = freshKeys();

/** Somebody sends a message with files, and it is answered. What is kept of it then comes back, by place. */
async function write(text: string, files: readonly object[], environment: Record<string, string> = {}) {
  const folder = await testFolder();
  const settings = {
    ...keys,
    SALLYPORT_DATA_DIR: folder,
    SLACK_API_URL: slack.url,
    LLM_BASE_URL: llm.url,
    LLM_MODEL: 'local',
    LLM_PRICE_INPUT: '0',
    LLM_PRICE_OUTPUT: '0',
    ...environment,
  };
  const role = await startRole({ role: 'all', environment: settings, folder });
  try {
    const at = Date.now();
    const message = slackMessage({ text, at, channel: 'D0000001', user: 'U0000001', files });
    Object.assign(message.event as object, { user_profile: { display_name: 'Grace "the boss" Hopper' } });
    const signed = signSlackRequest(slackJson(message), { signingSecret: keys.SLACK_SIGNING_SECRET, at });
    await fetch(`${role.url}/hooks/slack`, { ...signed, body: new Uint8Array(signed.body) });
    await eventually(() => expect(slack.posts).toHaveLength(1));
  } finally {
    await role.stop();
  }
  return everyByte(folder);
}

const prompt = (): string => String(llm.requests[0]?.messages.at(-1)?.content);
const file = (name: string, content: string, mimetype = 'text/plain') => slack.addFile({ name, mimetype, content });

describe('what comes with a message of Slack', () => {
  test('is read where it is a short text, and named where it is not; each as data of its own', async () => {
    const big = file('big.log', 'x'.repeat(64 * 1024 + 1));
    const files = [file('notes.txt', 'The meeting is at noon.'), file('photo.png', 'PNG', 'image/png'), big];
    const places = await write('see these', files);
    const frames = [...prompt().matchAll(/<(data-[0-9a-f]{32})([^>]*)>\n([\s\S]*?)\n<\/\1>/g)];
    expect(frames.map(([, , attributes, content]) => [attributes?.trim().replace(/ at="[^"]*"/, ''), content])).toEqual(
      [
        ['from="U0000001" name="Grace ?the boss? Hopper" by="user" channel="slack" kind="message"', 'see these'],
        ['attachment="notes.txt" type="text/plain" bytes="23" from="U0000001"', 'The meeting is at noon.'],
        [
          'attachment="photo.png" type="image/png" bytes="3" from="U0000001"',
          '[You were not given the content of this attachment.]',
        ],
        [
          'attachment="big.log" type="text/plain" bytes="65537" from="U0000001"',
          '[You were not given the content of this attachment.]',
        ],
      ],
    );
    expect(slack.calls.filter((method) => method === 'file')).toHaveLength(1);
    expect(holds(places, { content: 'The meeting is at noon.' })).toEqual([]);
  });

  test('reaches neither a model nor a store with the secrets in it', async () => {
    const content = secrets.map(({ text }, n) => `case-${n} ${text}`).join('\n');
    const places = new Map(await write('see this', [file('keys.txt', content)]));
    expect(prompt()).toContain('case-0 ');
    expect(prompt()).toContain('[secret:');
    places.set('prompts', Buffer.from(JSON.stringify(llm.requests)));
    expect(leaks(secrets, places)).toEqual([]);
  });

  test('is asked for at the vendor’s own host only, with the token, and never where a redirect leads', async () => {
    const { port } = elsewhere.address() as AddressInfo;
    const at = (url: string) => ({ ...file('a.txt', 'kept'), url_private: url });
    const files = [
      at(`http://127.0.0.1:${port}/files-pri/a.txt`),
      at(`${new URL(slack.url).origin.replace('127.0.0.1', `user:word@127.0.0.1`)}/files-pri/a.txt`),
      at(`http://files.slack.com.evil.example/files-pri/a.txt`),
      at('file:///etc/passwd'),
      at('no url'),
    ];
    await write('see these', files);
    expect(asked).toEqual([]);
    expect(slack.calls).not.toContain('file');
    expect(prompt().match(/were not given/g)).toHaveLength(5);
  });

  test('is answered without what cannot be read', async () => {
    const gone = { ...file('gone.txt', 'gone'), url_private: `${new URL(slack.url).origin}/files-pri/none/gone.txt` };
    slack.failNext({ method: 'file', kind: 'status', status: 503 });
    await write('', [file('away.txt', 'away'), gone, file('binary.txt', 'a\0b')]);
    expect(prompt().match(/were not given/g)).toHaveLength(3);
    expect(prompt()).not.toContain('user_profile');
  });

  test('is not read by an app without the scope: what comes then is a page', async () => {
    const others = await startSlackServer({ token: 'xoxb-another-token-of-somebody' });
    const refused = others.addFile({ name: 'notes.txt', mimetype: 'text/plain', content: 'hidden' });
    const origin = new URL(slack.url).origin;
    await write('see this', [
      { ...refused, url_private: refused.url_private.replace(new URL(others.url).origin, origin) },
    ]);
    await others.stop();
    expect(prompt()).not.toMatch(/Sign in|hidden/);
  });
});
