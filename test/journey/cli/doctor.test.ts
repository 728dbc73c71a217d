import { readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { startLlmServer } from '../../../src/testing/agents/llm-server.ts';
import { startGmailServer } from '../../../src/testing/gmail/server.ts';
import { type SlackServerOptions, startSlackServer } from '../../../src/testing/slack/server.ts';
import { startBotConnectorServer } from '../../../src/testing/teams/bot-connector-server.ts';
import { ensureBuilt } from '../../support/built.ts';
import { freshKeys } from '../../support/campaign.ts';
import { sallyport, sallyportProcess } from '../../support/command.ts';
import { testFolder } from '../../support/folder.ts';
import { freePort } from '../../support/free-port.ts';
import { describeRedis, startRedis } from '../../support/redis.ts';
import { startRole } from '../../support/role.ts';

const keys = freshKeys();

beforeAll(ensureBuilt);

async function doctor(environment: Record<string, string>) {
  const finished = await sallyport(['doctor'], {
    folder: await testFolder(),
    environment: { ...keys, ...environment },
  });
  return { ...finished, lines: finished.out.trim().split('\n') };
}

async function slack(options: SlackServerOptions = {}): Promise<string> {
  const server = await startSlackServer(options);
  onTestFinished(() => server.stop());
  return server.url;
}

/** Answers every request alike. */
async function startServer(
  status: number,
  headers: Record<string, string> | (() => Record<string, string>),
  body = '',
): Promise<string> {
  const server = createServer((_, response) => {
    response.writeHead(status, typeof headers === 'function' ? headers() : headers).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** The scopes of the manifest. */
const scopes = [
  ...['app_mentions:read', 'channels:history', 'groups:history', 'im:history', 'mpim:history'],
  ...['chat:write', 'metadata.message:read', 'files:read'],
];

/** A gate as the public URL should lead to. */
async function startGate(environment: Record<string, string> = keys): Promise<string> {
  const gate = await startRole({ role: 'ingress', folder: await testFolder(), environment });
  onTestFinished(() => gate.kill());
  return gate.url;
}

test('all is well: one line each, exit 0', async () => {
  const { code, lines, err } = await doctor({
    SLACK_API_URL: await slack({ token: keys.SLACK_BOT_TOKEN, scopes }),
    SALLYPORT_PUBLIC_URL: await startGate(),
  });
  expect([code, err]).toEqual([0, '']);
  expect(lines).toEqual([
    'ok    configuration',
    'ok    store: embedded, durable',
    'ok    proxies: none that is not trusted',
    'ok    slack credentials (default): accepted, with all scopes',
    'ok    slack request URL (default): a signed request arrives unchanged',
    'ok    clock: within 1 s of the vendors',
    '-     TLS: not configured',
    '-     relay: not configured',
    'ok    public URL: reachable',
  ]);
});

test('an endpoint for models is looked at, its key and the price of its model too', async () => {
  const llm = await startLlmServer({ apiKey: 'sk-right' });
  onTestFinished(() => llm.stop());
  const { SLACK_BOT_TOKEN: _, ...bare } = keys;
  const lineOf = async (more: Record<string, string>) => {
    const environment = { ...bare, LLM_BASE_URL: llm.url, LLM_API_KEY: 'sk-right', LLM_MODEL: 'unheard-of', ...more };
    const { out } = await sallyport(['doctor'], { folder: await testFolder(), environment });
    return out.split('\n').find((line) => / model:/.test(line));
  };
  const prices = { LLM_PRICE_INPUT: '1', LLM_PRICE_OUTPUT: '2' };
  expect(await lineOf(prices)).toBe('ok    model: the endpoint answers, prices are known');
  expect(await lineOf({})).toBe(
    'FAIL  model: LLM_PRICE_INPUT, LLM_PRICE_OUTPUT: the price of unheard-of is unknown, so it is never called',
  );
  expect(await lineOf({ ...prices, LLM_API_KEY: 'sk-wrong' })).toBe(
    'FAIL  model: LLM_API_KEY: the endpoint does not accept it',
  );
  await llm.stop();
  expect(await lineOf(prices)).toMatch(/^FAIL {2}model: LLM_BASE_URL: nothing answers at http:\/\/127\.0\.0\.1:\d+$/);
});

test('what is not configured is not checked and no failure', async () => {
  const { SLACK_BOT_TOKEN: _, ...environment } = keys;
  const { code, out } = await sallyport(['doctor'], { folder: await testFolder(), environment });
  expect(code).toBe(0);
  expect(out).toContain('-     slack credentials (default): not configured\n');
  expect(out).toContain('-     public URL: not configured\n');
});

test('README example: what keygen printed into .env is read there, under what the environment says', async () => {
  const folder = await testFolder();
  const { SLACK_BOT_TOKEN: _, SALLYPORT_SEAL_KEY: __, SALLYPORT_ID_KEY: ___, ...environment } = keys;
  const { out: env } = await sallyport(['keygen'], { folder });
  await writeFile(join(folder, '.env'), `${env}SALLYPORT_DATA_DIR=from-the-file\nPORT=nonsense\n`);
  const finished = await sallyportProcess(['doctor'], { folder, environment: { ...environment, PORT: '8787' } });
  expect(finished).toMatchObject({ code: 0, out: expect.stringContaining('ok    store: embedded, durable\n') });
  expect(await readdir(folder)).toContain('from-the-file');
});

test('a variable that looks like a setting and is none is told, and is no failure', async () => {
  const { SLACK_BOT_TOKEN: _, ...environment } = keys;
  const { code, out } = await sallyport(['doctor'], {
    folder: await testFolder(),
    environment: {
      ...environment,
      SALLYPORT_REDIS_URI: 'redis://c4n4ry',
      SALLYPORT_URL: 'http://127.0.0.1:1',
      SALLYPORT_SERVICE_HOST: '10.0.0.1',
      SALLYPORT_PORT_8787_TCP_ADDR: '10.0.0.1',
    },
  });
  expect(code).toBe(0);
  expect(out.split('\n').filter((line) => line.startsWith('WARN'))).toEqual([
    'WARN  SALLYPORT_REDIS_URI: is not a setting, and ignored; did you mean SALLYPORT_REDIS_URL?',
  ]);
  expect(out).not.toContain('c4n4ry');
});

test('a bot token that Slack refuses fails and is not shown', async () => {
  const { code, out } = await doctor({ SLACK_API_URL: await slack({ token: 'xoxb-another-token-altogether' }) });
  expect(code).toBe(1);
  expect(out).toContain(
    'FAIL  slack credentials (default): SLACK_BOT_TOKEN: Slack does not accept it (invalid_auth): set SLACK_BOT_TOKEN to the bot token of an installed app\n',
  );
  expect(out).not.toContain(keys.SLACK_BOT_TOKEN);
});

test('a bot of Teams is asked for a token, and one that Microsoft refuses fails by name', async () => {
  const connector = await startBotConnectorServer({ appId: 'a-bot', appPassword: 'a-password-of-the-bot' });
  onTestFinished(() => connector.stop());
  const bot = (password: string) =>
    doctor({
      SLACK_API_URL: '',
      TEAMS_APP_ID: 'a-bot',
      TEAMS_APP_PASSWORD: password,
      TEAMS_TOKEN_URL: connector.tokenUrl,
      TEAMS_OPENID_URL: connector.keys.openidUrl,
    });
  expect((await bot('a-password-of-the-bot')).lines).toContain('ok    teams (default): accepted');
  const { code, lines, out } = await bot('c4n4ry-of-another-bot');
  expect(code).toBe(1);
  expect(lines).toContainEqual(
    expect.stringMatching(
      /^FAIL {2}teams \(default\): TEAMS_APP_ID, TEAMS_APP_PASSWORD: Microsoft does not accept them \(.+\): .+$/,
    ),
  );
  expect(out).not.toContain('c4n4ry');
});

test.each([-45, 45])('a clock that is %i s off Slack’s fails and says by how much', async (seconds) => {
  // Its clock runs on while a slow machine gets the command started.
  const headers = () => ({ date: new Date(Date.now() + seconds * 1000).toUTCString() });
  const url = await startServer(200, headers, '{"ok":true}');
  const { code, out } = await doctor({ SLACK_API_URL: url });
  expect(code).toBe(1);
  expect(out).toMatch(/FAIL {2}clock: is 4\d s off that of 127\.0\.0\.1:\d+; set it by NTP\n/);
});

test('what a slow answer takes does not count as a difference of the clocks', async () => {
  const server = createServer((_, response) => {
    const date = new Date().toUTCString();
    setTimeout(() => response.writeHead(200, { date }).end('{"ok":true}'), 3_000);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const { out } = await doctor({ SLACK_API_URL: `http://127.0.0.1:${port}/` });
  expect(out).toContain('ok    clock: within 1 s of the vendors\n');
});

test('the keys of the relay are named by their ids, to be compared with those of the edge', async () => {
  const settings = {
    SLACK_API_URL: await slack({ token: keys.SLACK_BOT_TOKEN }),
    SALLYPORT_RELAY_KEY: 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=',
  };
  expect((await doctor(settings)).lines).toContain('ok    relay: key 0hT8z31w signs');
  const next = `${Buffer.alloc(32, 5).toString('base64')},${settings.SALLYPORT_RELAY_KEY}`;
  const { out } = await doctor({ ...settings, SALLYPORT_RELAY_KEY: next });
  expect(out).toMatch(/^ok {4}relay: key [\w-]{8} signs; also accepted: 0hT8z31w$/m);
  expect(out).not.toContain('AAECAwQF');
});

test('a Slack that is not there and a public URL that does not lead here fail by name', async () => {
  const origin = `http://127.0.0.1:${await freePort()}`;
  const { code, lines, err } = await doctor({
    SLACK_API_URL: `${origin}/api/`,
    SALLYPORT_PUBLIC_URL: await startServer(502, {}),
  });
  expect([code, err]).toEqual([1, '3 of the checks failed\n']);
  expect(lines).toContain(`FAIL  slack credentials (default): SLACK_API_URL: nothing answers at ${origin}`);
  expect(lines).toContain(
    'FAIL  slack request URL (default): SALLYPORT_PUBLIC_URL: a signed request is answered 502; no gate with this tenant is behind it',
  );
  expect(lines).toContain('FAIL  public URL: SALLYPORT_PUBLIC_URL: /health answers 502');
});

test('a Redis that is down fails, without its password in any line', async () => {
  const { SLACK_BOT_TOKEN: _, ...environment } = keys;
  const url = `redis://sallyport:s3cret-passw0rd@127.0.0.1:${await freePort()}`;
  const { code, out, err } = await sallyport(['doctor'], {
    folder: await testFolder(),
    environment: { ...environment, SALLYPORT_REDIS_URL: url },
  });
  expect([code, err]).toEqual([1, '1 of the checks failed\n']);
  expect(out).toMatch(/^FAIL {2}store: SALLYPORT_REDIS_URL: /m);
  expect(out).not.toContain('s3cret');
});

test('a gate with another signing secret behind the public URL is found by a signed request', async () => {
  const { out } = await doctor({
    SLACK_API_URL: await slack({ scopes }),
    SALLYPORT_PUBLIC_URL: await startGate({ ...keys, SLACK_SIGNING_SECRET: 'f00df00df00df00df00df00df00df00d' }),
  });
  expect(out).toMatch(/^FAIL {2}slack request URL \(default\): .*refuses our signature.*SLACK_SIGNING_SECRET/m);
  expect(out).toContain('ok    public URL: reachable\n');
});

test('scopes that are missing are named; without chat:write it is a failure', async () => {
  const lines = async (has: readonly string[]) => doctor({ SLACK_API_URL: await slack({ scopes: has }) });
  const few = await lines(scopes.filter((scope) => scope !== 'mpim:history'));
  expect(few.code).toBe(0);
  expect(few.out).toMatch(/^WARN {2}slack credentials \(default\): SLACK_BOT_TOKEN: lacks the scopes mpim:history;/m);
  const mute = await lines(['im:history']);
  expect(mute.code).toBe(1);
  expect(mute.out).toMatch(/^FAIL {2}slack credentials .*chat:write/m);
});

test.each([
  ['xapp-', 'an app-level token'],
  ['xoxp-', 'a user token'],
])('a token that begins with %s is %s, and is not sent to Slack', async (prefix, kind) => {
  const server = await startSlackServer();
  onTestFinished(() => server.stop());
  const token = `${prefix}1-c4n4ry-of-a-token`;
  const { code, out } = await doctor({ SLACK_API_URL: server.url, SLACK_BOT_TOKEN: token });
  expect(code).toBe(1);
  expect(out).toContain(`SLACK_BOT_TOKEN: is ${kind}; a bot token begins with xoxb-`);
  expect(out).not.toContain('c4n4ry');
  expect(server.calls).toEqual([]);
});

test('a misspelt variable of any prefix is told, with what was meant', async () => {
  const { SLACK_BOT_TOKEN, ...rest } = keys;
  const environment = {
    ...rest,
    SLACK_BOT_TOKN: SLACK_BOT_TOKEN,
    LMM_BASE_URL: 'x',
    GRAPH_CLEINT_SECRET: 'x',
    POST: 'x',
    SLACK_WEBHOOK_URL: 'x',
  };
  const { out } = await sallyport(['doctor'], { folder: await testFolder(), environment });
  expect(out.split('\n').filter((line) => line.includes('is not a setting'))).toEqual([
    expect.stringMatching(/SLACK_BOT_TOKN: .*did you mean SLACK_BOT_TOKEN\?$/),
    expect.stringMatching(/LMM_BASE_URL: .*did you mean LLM_BASE_URL\?$/),
    expect.stringMatching(/GRAPH_CLEINT_SECRET: .*did you mean GRAPH_CLIENT_SECRET\?$/),
  ]);
});

test('keys that were made up or are used twice fail by name', async () => {
  const zeros = Buffer.alloc(32).toString('base64');
  const { code, out } = await doctor({
    SLACK_API_URL: await slack(),
    SALLYPORT_RELAY_KEY: keys.SALLYPORT_SEAL_KEY ?? '',
    SALLYPORT_JWT_SECRET: 'abababababababababababababababababab',
  });
  expect(code).toBe(1);
  expect(out).toContain(
    'FAIL  keys: SALLYPORT_JWT_SECRET: is too simple to be a random key; make one with sallyport keygen\n',
  );
  expect(out).toMatch(/^FAIL {2}keys: SALLYPORT_(SEAL|RELAY)_KEY, SALLYPORT_(SEAL|RELAY)_KEY: are the same/m);
  expect((await doctor({ SLACK_API_URL: await slack(), SALLYPORT_SEAL_KEY: zeros })).out).toContain(
    'FAIL  keys: SALLYPORT_SEAL_KEY: is too simple',
  );
});

test('a tenant that no vendor delivers to is told, and warned of where nobody can call it either', async () => {
  const folder = await testFolder();
  await writeFile(join(folder, 'sallyport.config.json'), JSON.stringify({ tenants: { acme: {} } }));
  const lineOf = async (more: Record<string, string>) => {
    const environment = { ...keys, SLACK_API_URL: await slack(), ...more };
    return (await sallyport(['doctor'], { folder, environment })).out.split('\n').find((line) => line.includes('acme'));
  };
  expect(await lineOf({})).toBe('WARN  tenants.acme: has no channel, so nothing reaches it');
  expect(await lineOf({ SALLYPORT_JWT_SECRET: 'some-32-different-characters-0123456' })).toBe(
    'ok    tenants.acme: is reached by callers of the API alone',
  );
});

test('each mailbox of Gmail has a line, with Google’s word for what is wrong', async () => {
  const gmail = await startGmailServer({
    clock: Date.now,
    fault: ({ mailbox }) => (mailbox === 'nobody@example.com' ? 403 : undefined),
  });
  onTestFinished(() => gmail.stop());
  const { SLACK_BOT_TOKEN: _, ...bare } = keys;
  const { out } = await sallyport(['doctor'], {
    folder: await testFolder(),
    environment: {
      ...bare,
      GMAIL_BASE_URL: gmail.url,
      GMAIL_MAILBOXES: 'ada@example.com,nobody@example.com',
      GMAIL_TOPIC: 'projects/p/topics/t',
      GMAIL_PUSH_AUDIENCE: 'https://gate.example/hooks/gmail/default',
      GMAIL_PUSH_SERVICE_ACCOUNT: 'push@p.iam.gserviceaccount.com',
      GMAIL_PUSH_SUBSCRIPTION: 'projects/p/subscriptions/s',
    },
  });
  expect(out).toContain('ok    gmail (default, ada@example.com): can be read\n');
  expect(out).toMatch(/^FAIL {2}gmail \(default, nobody@example\.com\): GOOGLE_APPLICATION_CREDENTIALS: .*\(\w+\)/m);
});

describeRedis('doctor and Redis', () => {
  test('one that refuses the login is told apart from one that is away', async () => {
    const server = await startRedis({ password: 'right' });
    onTestFinished(() => server.stop());
    const lineOf = async (url: string) => {
      const { SLACK_BOT_TOKEN: _, ...environment } = keys;
      const { out } = await sallyport(['doctor'], {
        folder: await testFolder(),
        environment: { ...environment, SALLYPORT_REDIS_URL: url },
      });
      return out.split('\n').find((line) => line.includes(' store:'));
    };
    const at = `127.0.0.1:${server.port}`;
    expect(await lineOf(`redis://${at}`)).toMatch(/wants a password.*\(NOAUTH\)$/);
    expect(await lineOf(`redis://:wr0ng-c4n4ry@${at}`)).toBe(
      'FAIL  store: SALLYPORT_REDIS_URL: Redis does not accept the user name or password (WRONGPASS)',
    );
    expect(await lineOf(`redis://:right@${at}`)).toBe('ok    store: Redis, durable');
    expect(await lineOf(`redis://127.0.0.1:${await freePort()}`)).toMatch(/nothing listens .*\(ECONNREFUSED\)$/);
    expect(await lineOf('redis://no-such-host.invalid')).toMatch(
      /host name is not known here.*\((ENOTFOUND|EAI_AGAIN)\)$/,
    );
  });

  test('memory without a bound is warned of', async () => {
    const [bounded, unbounded] = await Promise.all([startRedis({ args: ['--maxmemory', '100mb'] }), startRedis()]);
    onTestFinished(async () => void (await Promise.all([bounded.stop(), unbounded.stop()])));
    const { SLACK_BOT_TOKEN: _, ...environment } = keys;
    const ask = async (url: string) =>
      (
        await sallyport(['doctor'], {
          folder: await testFolder(),
          environment: { ...environment, SALLYPORT_REDIS_URL: url },
        })
      ).out;
    expect(await ask(bounded.url)).toMatch(/^ok {4}maxmemory: \d+ % is used$/m);
    expect(await ask(unbounded.url)).toMatch(/^WARN {2}maxmemory: is not set/m);
  });

  test('a durable one is ok; one that may lose events fails and names what to set', async () => {
    const [durable, lossy] = await Promise.all([startRedis(), startRedis({ args: ['--appendonly', 'no'] })]);
    onTestFinished(async () => void (await Promise.all([durable.stop(), lossy.stop()])));
    const { SLACK_BOT_TOKEN: _, ...environment } = keys;
    const ask = async (url: string) =>
      sallyport(['doctor'], { folder: await testFolder(), environment: { ...environment, SALLYPORT_REDIS_URL: url } });
    expect(await ask(durable.url)).toMatchObject({
      code: 0,
      out: expect.stringContaining('ok    store: Redis, durable\n'),
    });
    expect(await ask(lossy.url)).toMatchObject({
      code: 1,
      out: expect.stringMatching(/FAIL {2}store: SALLYPORT_REDIS_URL: .*appendonly yes\n/),
    });
  });
});
