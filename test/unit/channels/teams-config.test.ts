import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const SECURITY_TOKEN = 'vqF0En+Z0ucuRTM/01o2GuhMH3hKKk/N2bOmlM31zaA=';
const required = { SALLYPORT_SEAL_KEY: KEY, SALLYPORT_ID_KEY: KEY };
const APP_ID = '3851a47b-53ed-4d29-b878-6e941da61e98';

function teamsOf(environment: Record<string, string>) {
  const loaded = loadConfig(undefined, { ...required, ...environment }, 'all');
  return loaded.ok ? loaded.config.tenants.default?.teams : loaded.problems;
}

describe('the settings of Teams', () => {
  it('an app id is a bot of the public cloud', () => {
    expect(teamsOf({ TEAMS_APP_ID: APP_ID })).toEqual({
      appId: APP_ID,
      issuer: 'https://api.botframework.com',
      openIdUrl: 'https://login.botframework.com/v1/.well-known/openidconfiguration',
      tokenScope: 'https://api.botframework.com/.default',
      mentionsOnly: false,
      activityTypes: [],
    });
  });

  it('all of them can be said by variables', () => {
    const teams = teamsOf({
      TEAMS_APP_ID: APP_ID,
      TEAMS_APP_PASSWORD: 'password',
      TEAMS_TENANT_ID: 'tenant-1',
      TEAMS_OPENID_URL: 'http://127.0.0.1:9/openid',
      TEAMS_TOKEN_URL: 'http://127.0.0.1:9/token',
      TEAMS_SERVICE_HOSTS: '127.0.0.1:9, *.botframework.com,localhost',
      TEAMS_OUTGOING_SECRET: `${SECURITY_TOKEN},${KEY}`,
    });
    expect(teams).toMatchObject({
      appPassword: 'password',
      tenantId: 'tenant-1',
      openIdUrl: 'http://127.0.0.1:9/openid',
      tokenUrl: 'http://127.0.0.1:9/token',
      serviceHosts: ['127.0.0.1:9', '*.botframework.com', 'localhost'],
      outgoingSecrets: [Buffer.from(SECURITY_TOKEN, 'base64'), Buffer.from(KEY, 'base64')].map(
        (key) => new Uint8Array(key),
      ),
    });
  });

  it('a security token alone is an outgoing webhook and no bot', () => {
    const teams = teamsOf({ TEAMS_OUTGOING_SECRET: SECURITY_TOKEN, TEAMS_TOKEN_URL: 'https://login.example/token' });
    expect(teams).toMatchObject({ outgoingSecrets: [expect.any(Uint8Array)] });
    expect(teams).not.toHaveProperty('appId');
  });

  it('a variable that only refines the bot does not switch it on', () => {
    const slack = { SLACK_SIGNING_SECRET: 'a-signing-secret' };
    expect(teamsOf({ ...slack, TEAMS_APP_PASSWORD: 'password', TEAMS_SERVICE_HOSTS: 'localhost' })).toBeUndefined();
  });

  it.each([
    ['TEAMS_OUTGOING_SECRET', 'not base64!'],
    ['TEAMS_OUTGOING_SECRET', 'c2hvcnQ='],
    ['TEAMS_OUTGOING_SECRET', `${SECURITY_TOKEN},`],
    ['TEAMS_OPENID_URL', 'http://login.example/openid'],
    ['TEAMS_TOKEN_URL', 'ftp://login.example/token'],
    ['TEAMS_TENANT_ID', 'a/../b'],
    ['TEAMS_SERVICE_HOSTS', 'https://smba.trafficmanager.net'],
    ['TEAMS_SERVICE_HOSTS', '**.x.example'],
    ['TEAMS_SERVICE_HOSTS', '*.com'],
  ])('%s is named, and not shown, when it is wrong', (name, value) => {
    const problems = teamsOf({ TEAMS_APP_ID: APP_ID, [name]: value });
    expect(problems).toEqual([expect.stringMatching(new RegExp(`^${name}: `))]);
    expect(JSON.stringify(problems)).not.toContain(value);
  });
});
