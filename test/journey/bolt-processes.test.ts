import { randomBytes } from 'node:crypto';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import { type SlackMessageOptions, signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { sallyportProcess } from '../support/command.ts';
import { testFolder } from '../support/folder.ts';
import { SIGNING_SECRET } from '../support/gate.ts';
import { startRole } from '../support/role.ts';

const config = `
import { boltAgent, defineConfig } from 'sallyport';
export default defineConfig({ agents: [boltAgent({ app: () => import('./bolt-app.ts') })] });
`;

/** What docs/bolt.md shows, and a file that tells which process loaded it. */
const app = `
import { writeFileSync } from 'node:fs';
import { App } from '@slack/bolt';
import { boltReceiver } from 'sallyport';

writeFileSync(\`loaded-by-\${process.argv[2]}\`, '');
export const app = new App({
  receiver: boltReceiver(),
  authorize: async () => ({ botToken: 'xoxb-of-the-app', botId: 'B0BOT', botUserId: 'U0BOT' }),
});
app.message(async ({ message, say }) => {
  await say(\`bolt: \${'text' in message ? message.text : ''}\`);
});
await app.start();
`;

const newKeys = (folder: string) => ({
  SALLYPORT_DATA_DIR: folder,
  SALLYPORT_SEAL_KEY: randomBytes(32).toString('base64'),
  SALLYPORT_ID_KEY: randomBytes(32).toString('base64'),
});

async function post(url: string, message: Partial<SlackMessageOptions>, tenant = 'default'): Promise<void> {
  const at = Date.now();
  const signing = { signingSecret: SIGNING_SECRET, at };
  const request = signSlackRequest(slackJson(slackMessage({ text: 'hello', at, ...message })), signing);
  const { method, headers, body } = request;
  const { status } = await fetch(`${url}/hooks/slack/${tenant}`, { method, headers, body: new Uint8Array(body) });
  expect(status).toBe(200);
}

async function say(slack: SlackServer, url: string, text: string): Promise<void> {
  await post(url, { text });
  await vi.waitFor(() => expect(slack.posts.map((post) => post.text)).toContain(`bolt: ${text}`), {
    timeout: PATIENCE_MS,
    interval: 50,
  });
}

/** A folder in which a configuration and an app find the packages of this one. */
async function appFolder(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await testFolder();
  const root = join(import.meta.dirname, '..', '..');
  await mkdir(join(folder, 'node_modules', '@slack'), { recursive: true });
  await symlink(root, join(folder, 'node_modules', 'sallyport'));
  await symlink(join(root, 'node_modules', '@slack', 'bolt'), join(folder, 'node_modules', '@slack', 'bolt'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

test('an app from a configuration file answers in the worker, and an ingress never loads it', async () => {
  const folder = await appFolder({ 'sallyport.config.ts': config, 'bolt-app.ts': app });
  const slack = await startSlackServer();
  const environment = {
    ...newKeys(folder),
    SLACK_SIGNING_SECRET: SIGNING_SECRET,
    SLACK_API_URL: slack.url,
  };
  const ingress = await startRole({ role: 'ingress', environment, folder });
  const worker = await startRole({ role: 'worker', environment, folder });
  try {
    await say(slack, ingress.url, 'hello');
    await say(slack, ingress.url, 'again');
    expect((await readdir(folder)).filter((name) => name.startsWith('loaded-by-'))).toEqual(['loaded-by-worker']);
  } finally {
    await Promise.all([ingress.kill(), worker.kill(), slack.stop()]);
  }
});

test('a module without an app ends the start with 78 and is named, with what it exports', async () => {
  const wrong = 'export const bolt = {};\nexport const handler = () => {};\n';
  const folder = await appFolder({ 'sallyport.config.ts': config, 'bolt-app.ts': wrong });
  const environment = { ...newKeys(folder), SLACK_SIGNING_SECRET: SIGNING_SECRET, PORT: '0', LOG_LEVEL: 'silent' };
  const { code, err } = await sallyportProcess(['all'], { folder, environment });
  expect([code, err.trim()]).toEqual([
    78,
    'agent bolt: bolt: the module ./bolt-app.ts exports no Bolt app as `app` or as its default; it exports bolt, handler',
  ]);
});

/** Slack's own address is out of reach of a test; the app asks there when it is made, before the gate has seen it. */
const offline = `
const real = globalThis.fetch;
globalThis.fetch = (input, init) =>
  String(input).startsWith('https://slack.com/') ? Promise.reject(new TypeError('fetch failed')) : real(input, init);
`;

test('the documented app, with a token and nothing else, works with the Slack that SLACK_API_URL names', async () => {
  const documented = `
import { App } from '@slack/bolt';
import { boltReceiver } from 'sallyport';
${offline}
export const app = new App({ receiver: boltReceiver(), token: process.env.SLACK_BOT_TOKEN });
app.message('hello', async ({ say, context }) => {
  await say(\`bolt: hello \${context.botUserId}\`);
});
`;
  const folder = await appFolder({ 'sallyport.config.ts': config, 'bolt-app.ts': documented });
  const slack = await startSlackServer({ token: 'xoxb-of-the-documented-app' });
  const environment = {
    ...newKeys(folder),
    SLACK_SIGNING_SECRET: SIGNING_SECRET,
    SLACK_BOT_TOKEN: 'xoxb-of-the-documented-app',
    SLACK_API_URL: slack.url,
  };
  const all = await startRole({ role: 'all', environment, folder });
  try {
    await post(all.url, { text: 'hello' });
    await vi.waitFor(() => expect(slack.posts.map(({ text }) => text)).toEqual(['bolt: hello U0BOT']), {
      timeout: 20_000,
      interval: 50,
    });
    expect(new Set(slack.tokens)).toEqual(new Set(['xoxb-of-the-documented-app']));
    // Whose token it is does not change, so it is asked once.
    await post(all.url, { text: 'hello again' });
    await vi.waitFor(() => expect(slack.posts).toHaveLength(2), { timeout: 20_000, interval: 50 });
    expect(slack.calls.filter((method) => method === 'auth.test')).toHaveLength(1);
  } finally {
    await Promise.all([all.kill(), slack.stop()]);
  }
});

test('tenants whose Slack is elsewhere never see each other’s token or messages', async () => {
  const [acme, globex] = await Promise.all([startSlackServer(), startSlackServer()]);
  const ofTenant = (slack: SlackServer, team: string) => `{
    slack: {
      signingSecrets: ['${SIGNING_SECRET}'],
      apiUrl: '${slack.url}',
      installations: [{ appId: 'A0SALLYPORT', teamId: '${team}', botToken: 'xoxb-of-workspace-${team.toLowerCase()}' }],
    },
  }`;
  const two = `
import { boltAgent, defineConfig } from 'sallyport';
export default defineConfig({
  tenants: { acme: ${ofTenant(acme, 'T0ACME')}, globex: ${ofTenant(globex, 'T0GLOBEX')} },
  agents: [boltAgent({ app: () => import('./bolt-app.ts') })],
});
`;
  // Headers are an object the client writes the token of its first workspace to.
  const shared = `
import { App } from '@slack/bolt';
import { boltReceiver } from 'sallyport';
export const app = new App({
  receiver: boltReceiver(),
  clientOptions: { headers: { 'x-app': 'shared' } },
  authorize: async ({ teamId }) => ({ botToken: \`xoxb-of-workspace-\${teamId.toLowerCase()}\`, botId: 'B0BOT', botUserId: 'U0BOT' }),
});
app.message(async ({ message, say, client, context }) => {
  await client.auth.test();
  await say(\`\${context.sallyport.tenant}: \${message.text}\`);
});
`;
  const folder = await appFolder({ 'sallyport.config.ts': two, 'bolt-app.ts': shared });
  const all = await startRole({ role: 'all', environment: newKeys(folder), folder });
  try {
    for (let n = 0; n < 5; n += 1) {
      await Promise.all([
        post(all.url, { text: `secret of globex ${n}`, teamId: 'T0GLOBEX', channel: `C0GLOBEX${n}` }, 'globex'),
        post(all.url, { text: `secret of acme ${n}`, teamId: 'T0ACME', channel: `C0ACME${n}` }, 'acme'),
      ]);
    }
    await vi.waitFor(() => expect(acme.posts.length + globex.posts.length).toBe(10), { timeout: 30_000, interval: 50 });
    for (const [slack, name] of [
      [acme, 'acme'],
      [globex, 'globex'],
    ] as const) {
      expect(new Set(slack.tokens)).toEqual(new Set([`xoxb-of-workspace-t0${name}`]));
      expect(slack.posts.map(({ text }) => text).sort()).toEqual(
        [0, 1, 2, 3, 4].map((n) => `${name}: secret of ${name} ${n}`),
      );
    }
  } finally {
    await Promise.all([all.kill(), acme.stop(), globex.stop()]);
  }
});
