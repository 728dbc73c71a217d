import { randomBytes } from 'node:crypto';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { type SlackServer, startSlackServer } from '../../src/testing/slack-server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack-signer.ts';
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

async function say(slack: SlackServer, url: string, text: string): Promise<void> {
  const signing = { signingSecret: SIGNING_SECRET, at: Date.now() };
  const { method, headers, body } = signSlackRequest(slackJson(slackMessage({ text, at: Date.now() })), signing);
  await fetch(`${url}/hooks/slack/default`, { method, headers, body: new Uint8Array(body) });
  await vi.waitFor(() => expect(slack.posts.map((post) => post.text)).toContain(`bolt: ${text}`), {
    timeout: 30_000,
    interval: 50,
  });
}

test('an app from a configuration file answers in the worker, and an ingress never loads it', async () => {
  const folder = await testFolder();
  const root = join(import.meta.dirname, '..', '..');
  await mkdir(join(folder, 'node_modules', '@slack'), { recursive: true });
  await symlink(root, join(folder, 'node_modules', 'sallyport'));
  await symlink(join(root, 'node_modules', '@slack', 'bolt'), join(folder, 'node_modules', '@slack', 'bolt'));
  await writeFile(join(folder, 'sallyport.config.ts'), config);
  await writeFile(join(folder, 'bolt-app.ts'), app);
  const slack = await startSlackServer();
  const environment = {
    SALLYPORT_DATA_DIR: folder,
    SALLYPORT_SEAL_KEY: randomBytes(32).toString('base64'),
    SALLYPORT_ID_KEY: randomBytes(32).toString('base64'),
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
