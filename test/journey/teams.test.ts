import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BotConnectorServer, startBotConnectorServer } from '../../src/testing/teams/bot-connector-server.ts';
import { signTeamsActivity, signTeamsOutgoing, teamsMessage } from '../../src/testing/teams/signer.ts';
import { ensureBuilt } from '../support/built.ts';
import { sallyport } from '../support/command.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { until } from '../support/until.ts';

/** The built product as an operator starts it, and Teams in front of it. */
const KEY = Buffer.alloc(32, 7).toString('base64');
const APP_ID = '3851a47b-53ed-4d29-b878-6e941da61e98';

let folder: string;

beforeAll(async () => {
  await ensureBuilt();
  folder = await mkdtemp(join(tmpdir(), 'sallyport-teams-journey-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('in production', () => {
  let connector: BotConnectorServer;
  let gate: RoleProcess;

  beforeAll(async () => {
    connector = await startBotConnectorServer({ appId: APP_ID, appPassword: 'password' });
    const environment = {
      SALLYPORT_DATA_DIR: join(folder, 'production'),
      SALLYPORT_SEAL_KEY: KEY,
      SALLYPORT_ID_KEY: KEY,
      TEAMS_APP_ID: APP_ID,
      TEAMS_APP_PASSWORD: 'password',
      TEAMS_OPENID_URL: connector.keys.openidUrl,
      TEAMS_TOKEN_URL: connector.tokenUrl,
      TEAMS_SERVICE_HOSTS: '127.0.0.1',
      TEAMS_OUTGOING_SECRET: KEY,
    };
    gate = await startRole({ role: 'all', environment, folder });
  });
  afterAll(async () => {
    await gate.stop();
    await connector.stop();
  });

  test('a message to the bot is answered in its conversation', async () => {
    const at = Date.now();
    const activity = teamsMessage({ text: 'hello', at, appId: APP_ID, serviceUrl: connector.serviceUrl });
    const { headers, body } = signTeamsActivity(activity, { key: connector.signingKey, appId: APP_ID, at });
    const response = await fetch(`${gate.url}/hooks/teams`, { method: 'POST', headers, body: new Uint8Array(body) });
    expect(response.status).toBe(202);
    await until('the reply is posted', () => connector.posts.length > 0);
    expect(connector.posts).toMatchObject([{ replyTo: activity.id, activity: { text: 'echo: hello' } }]);
  });

  test('an outgoing webhook is answered in the response', async () => {
    const at = Date.now();
    const activity = teamsMessage({ text: 'hello', at, conversationType: 'channel' });
    const { headers, body } = signTeamsOutgoing(activity, { securityToken: KEY, at });
    const url = `${gate.url}/hooks/teams/default/outgoing`;
    const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) });
    expect([response.status, await response.json()]).toEqual([200, { type: 'message', text: 'echo: hello' }]);
  });
});

describe('in development', () => {
  let gate: RoleProcess;

  beforeAll(async () => {
    gate = await startRole({ role: 'dev', environment: {}, folder });
  });
  afterAll(() => gate.stop());

  const modes = ['stale', 'future', 'wrong-key', 'altered', 'replay', 'duplicate', 'reorder'] as const;
  const answers = { teams: [202, 403], 'teams-outgoing': [200, 401] } as const;

  test.each(['teams', 'teams-outgoing'] as const)(
    'send %s shows what a correct gate does, in every way to spoil it',
    async (channel) => {
      const [taken, refused] = answers[channel];
      const send = async (...more: string[]) => {
        const { code, out } = await sallyport(['send', channel, '--url', gate.url, ...more], { folder });
        return [code, out.replaceAll(/ ev_\w+/g, '').trim()];
      };
      const seen = Object.fromEntries(
        await Promise.all(modes.map(async (mode) => [mode, await send('--tamper', mode)])),
      );
      expect(seen).toEqual({
        stale: [0, `${refused}`],
        future: [0, `${refused}`],
        'wrong-key': [0, `${refused}`],
        altered: [0, `${refused}`],
        replay: [0, `${taken} accepted\n${taken} duplicate`],
        duplicate: [0, `${taken} accepted\n${taken} duplicate`],
        reorder: [0, `${taken} accepted\n${taken} accepted`],
      });
      expect((await send('--text', 'hello', '--wait'))[1]).toContain('echo: hello');
    },
    120_000,
  );
});
