import { type ChildProcess, spawn } from 'node:child_process';
import { appendFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startGmailServer } from '../../../src/testing/gmail/server.ts';
import { startGraphServer } from '../../../src/testing/graph/server.ts';
import { startSlackServer } from '../../../src/testing/slack/server.ts';
import { startBotConnectorServer } from '../../../src/testing/teams/bot-connector-server.ts';
import { ensureBuilt } from '../../support/built.ts';
import { endWithParent } from '../../support/children.ts';
import type { Finished } from '../../support/command.ts';
import { testFolder } from '../../support/folder.ts';
import { freePort } from '../../support/free-port.ts';
import { testWith } from '../../support/needs.ts';
import { type RoleProcess, startRole } from '../../support/role.ts';
import { rehearsed, runBlock } from '../../support/runbook.ts';
import { until } from '../../support/until.ts';

// The guides, typed as they stand: in an empty folder, every block in its order. Only what happens at a vendor is left
// out, and local servers play it.

beforeAll(ensureBuilt);

const root = join(import.meta.dirname, '..', '..', '..');

/** What a reader who follows a page does. */
interface Reader {
  readonly folder: string;
  /** Types the block of this name. @returns what it printed, once it has ended well */
  types(name: string, environment?: Readonly<Record<string, string>>): Promise<Finished>;
  /** `npx sallyport dev`, in a terminal of its own. */
  dev(environment?: Readonly<Record<string, string>>, port?: number): Promise<RoleProcess>;
}

async function reader(page: string): Promise<Reader> {
  const folder = await testFolder();
  return {
    folder,
    async types(name, environment = {}) {
      const finished = await runBlock(rehearsed(page, name), { folder, environment });
      expect({ page, name, ...finished }).toMatchObject({ page, name, code: 0 });
      return finished;
    },
    async dev(environment = {}, port) {
      const role = await startRole({ role: 'dev', folder, environment, ...(port !== undefined && { port }) });
      onTestFinished(() => role.kill());
      return role;
    },
  };
}

/** What a vendor gives an app, as the lines of `.env`, and whether all of it is in use. */
interface Vendor {
  settings(url: string): Readonly<Record<string, string>>;
  isReady?(): boolean;
}

async function slack(): Promise<Vendor> {
  const server = await startSlackServer({ token: 'xoxb-of-the-real-app' });
  onTestFinished(() => server.stop());
  return {
    settings: () => ({
      SLACK_SIGNING_SECRET: 'the-signing-secret-of-the-app',
      SLACK_BOT_TOKEN: 'xoxb-of-the-real-app',
      SLACK_API_URL: server.url,
    }),
  };
}

async function teams(): Promise<Vendor> {
  const server = await startBotConnectorServer({ appId: 'a-bot', appPassword: 'a-password-of-the-bot' });
  onTestFinished(() => server.stop());
  return {
    settings: () => ({
      TEAMS_APP_ID: 'a-bot',
      TEAMS_APP_PASSWORD: 'a-password-of-the-bot',
      TEAMS_TENANT_ID: '11111111-1111-4111-8111-111111111111',
      TEAMS_TOKEN_URL: server.tokenUrl,
      TEAMS_OPENID_URL: server.keys.openidUrl,
    }),
  };
}

async function graph(): Promise<Vendor> {
  const server = await startGraphServer();
  onTestFinished(() => server.stop());
  return {
    settings: (url) => ({
      SALLYPORT_PUBLIC_URL: url,
      GRAPH_SUBSCRIPTIONS: "users/agent@example.com/mailFolders('inbox')/messages",
      GRAPH_TENANT_ID: server.tenantId,
      GRAPH_CLIENT_ID: server.clientId,
      GRAPH_CLIENT_SECRET: server.clientSecret,
      GRAPH_BASE_URL: server.url,
      GRAPH_AUTHORITY_URL: server.url,
      GRAPH_JWKS_URL: server.jwksUrl,
    }),
    isReady: () => server.subscriptions().length === 1,
  };
}

async function gmail(): Promise<Vendor> {
  const server = await startGmailServer({ clock: Date.now });
  onTestFinished(() => server.stop());
  return {
    settings: () => ({
      GMAIL_TOPIC: 'projects/my-project/topics/sallyport-mail',
      GMAIL_PUSH_SERVICE_ACCOUNT: 'sallyport-push@my-project.iam.gserviceaccount.com',
      GMAIL_PUSH_AUDIENCE: 'https://gate.example.com/hooks/gmail/default',
      GMAIL_PUSH_SUBSCRIPTION: 'projects/my-project/subscriptions/sallyport-mail-push',
      GMAIL_MAILBOXES: 'agent@example.com',
      GMAIL_BASE_URL: server.url,
    }),
  };
}

describe('from an empty account to a first reply', () => {
  test.each([
    ['docs/slack.md', 'app', slack],
    ['docs/teams.md', 'setup', teams],
    ['docs/graph.md', 'setup', graph],
    ['docs/gmail.md', 'setup', gmail],
  ] as const)('%s', { timeout: 300_000 }, async (page, atTheVendor, openVendor) => {
    const { folder, types, dev } = await reader(page);
    await types('folder');
    const first = await dev();
    const { out } = await types('first reply', { SALLYPORT_URL: first.url });
    expect(out).toMatch(/^You said: hello$/im);
    const made = await types(atTheVendor);
    if (atTheVendor === 'app')
      expect(made.out).toMatch(/^https:\/\/api\.slack\.com\/apps\?new_app=1&manifest_json=\S+\n$/);
    else expect(await readFile(join(folder, `setup-${page.slice(5, -3)}.sh`), 'utf8')).toMatch(/^#!\/bin\/sh\n/);
    await first.stop();

    // What the vendor gave is written into .env, and the gate is started again.
    const vendor = await openVendor();
    const settings = Object.entries(vendor.settings(first.url)).map(([name, value]) => `${name}=${value}\n`);
    await appendFile(join(folder, '.env'), settings.join(''));
    const again = await dev({}, first.port);
    await until('what the vendor keeps is there', () => vendor.isReady?.() ?? true);
    const { out: said } = await types('doctor');
    const name = page.slice(5, -3);
    expect(said).toMatch(new RegExp(`^ok {4}${name}.*\\(default.*\\): `, 'm'));
    expect(
      said
        .trimEnd()
        .split('\n')
        .filter((line) => !/^(ok {4}|- {5})/.test(line)),
    ).toEqual([]);
    await again.stop();
  });
});

describe('docs/first-agent.md', () => {
  const PAGE = 'docs/first-agent.md';

  function start(command: string, folder: string, environment: Readonly<Record<string, string>>): ChildProcess {
    const env = { PATH: process.env.PATH ?? '', ...environment };
    const child = endWithParent(
      spawn('sh', ['-c', `exec ${command}`], { cwd: folder, env, stdio: ['ignore', 'pipe', 'ignore'] }),
    );
    onTestFinished(() => void child.kill());
    return child;
  }

  test('a file', async () => {
    const { types, dev } = await reader(PAGE);
    await types('file');
    const { url } = await dev();
    expect((await types('file reply', { SALLYPORT_URL: url })).out).toContain('You said: hello');
  });

  testWith('python3')('a program in another language', async () => {
    const { folder, types, dev } = await reader(PAGE);
    await types('http');
    const port = await freePort();
    start(rehearsed(PAGE, 'http agent'), folder, { PORT: String(port) });
    const address = `http://127.0.0.1:${port}/`;
    await until('the program listens', () =>
      fetch(address).then(
        () => true,
        () => false,
      ),
    );
    const { url } = await dev({ SALLYPORT_AGENT_URL: address });
    expect((await types('http reply', { SALLYPORT_URL: url })).out).toContain('You said: hello');
  });

  test('a Bolt app', async () => {
    const { folder, types, dev } = await reader(PAGE);
    // What `npm install` puts there.
    await mkdir(join(folder, 'node_modules', '@slack'), { recursive: true });
    await symlink(root, join(folder, 'node_modules', 'sallyport'));
    await symlink(join(root, 'node_modules', '@slack', 'bolt'), join(folder, 'node_modules', '@slack', 'bolt'));
    await types('bolt');
    const [, script = ''] =
      /```js\n(\/\/ local-slack\.mjs\n[\s\S]*?)```/.exec(await readFile(join(root, PAGE), 'utf8')) ?? [];
    await writeFile(join(folder, 'local-slack.mjs'), script);
    let shown = '';
    start(`"${process.execPath}" local-slack.mjs`, folder, {})
      .stdout?.setEncoding('utf8')
      .on('data', (text: string) => {
        shown += text;
      });
    await until('the local Slack has printed a command', () => / npx sallyport dev\n/.test(shown));
    const environment = Object.fromEntries(
      [...shown.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name, value]),
    );
    const { url } = await dev(environment);
    await types('bolt reply', { SALLYPORT_URL: url });
    await until('the reply is in Slack', () => shown.includes('\nYou said: hello\n'));
  });

  test('takes at most ten commands for each way', async () => {
    const text = await readFile(join(root, PAGE), 'utf8');
    const ways = text.split(/^## /m).slice(1);
    expect(ways).toHaveLength(3);
    for (const way of ways) {
      const commands = [...way.matchAll(/```bash\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
        block.trim().split('\n'),
      );
      const inSentences = [...way.matchAll(/`((?:npx|node|npm) [^`]+)`/g)];
      expect(commands.length + inSentences.length).toBeLessThanOrEqual(10);
    }
  });
});
