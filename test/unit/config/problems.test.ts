import { expect, test } from 'vitest';
import { allVariables } from '../../../src/config/environment.ts';
import { loadConfig, type Role } from '../../../src/config/load.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const SECRET = '8f742231b10e8888abcd99yyyzzz85a5';

/** What every role can start with. */
const sound = { SALLYPORT_SEAL_KEY: KEY, SALLYPORT_ID_KEY: KEY, SLACK_SIGNING_SECRET: SECRET };

function problemsOf(environment: Record<string, string>, file: unknown = undefined, role: Role = 'all') {
  const loaded = loadConfig(file, environment, role);
  return loaded.ok ? [] : loaded.problems;
}

/** Settings for which nearly any text is right; the canary below is one. */
const freeText = new Set([
  'HOST',
  'SALLYPORT_TLS_CERT',
  'SALLYPORT_TLS_KEY',
  'SALLYPORT_TLS_CLIENT_CA',
  'SALLYPORT_DATA_DIR',
  // Files, looked for when the listener opens.
  'SALLYPORT_TLS_CERT',
  'SALLYPORT_TLS_KEY',
  'SALLYPORT_TLS_CLIENT_CA',
  'SALLYPORT_JWT_ISSUER',
  'SALLYPORT_JWT_AUDIENCE',
  'SALLYPORT_JWT_INTROSPECTION_CLIENT_ID',
  'SALLYPORT_JWT_INTROSPECTION_CLIENT_SECRET',
  'SALLYPORT_REVIEW_APPROVERS',
  'SALLYPORT_AI_DISCLOSURE',
  'SALLYPORT_AUDIT_CHECKPOINTS',
  'GRAPH_CLIENT_SECRET',
  'GRAPH_ENCRYPTION_CERT',
  'GRAPH_ENCRYPTION_KEY_ID',
  'TEAMS_APP_PASSWORD',
  'TEAMS_SERVICE_HOSTS',
  'GMAIL_PUSH_AUDIENCE',
  'GOOGLE_APPLICATION_CREDENTIALS',
]);

test('nonsense in every variable is named for every variable at once, and quoted for none', () => {
  const canary = 'c4n ry';
  const names = Object.keys(allVariables.paths);
  const problems = problemsOf(Object.fromEntries(names.map((name) => [name, canary])));
  const named = new Set(problems.map((problem) => problem.split(':')[0]));
  expect(names.filter((name) => !named.has(name) && !freeText.has(name))).toEqual([]);
  expect(problems.join('\n')).not.toContain(canary);
});

test.each([
  ['numbers', '-1'],
  ['numbers with letters', '8787x'],
  ['the wrong kind of URL', 'ftp://c4n4ry.example/c4n4ry'],
  ['a URL with a password', 'https://user:c4n4ry@api.example.com/'],
  ['a private key', '-----BEGIN PRIVATE KEY-----c4n4ry'],
  ['control characters', 'c4n4ry\u0000\u001b[2J'],
  ['a list', 'c4n4ry,,c4n4ry'],
])('no message repeats a value: %s', (_, value) => {
  for (const name of Object.keys(allVariables.paths)) {
    const problems = problemsOf({ ...sound, [name]: value }).join('\n');
    expect(problems).not.toContain(value);
    expect(problems).not.toContain('c4n4ry');
  }
});

test('what is wrong and what is missing are told together', () => {
  expect(problemsOf({ PORT: 'http' })).toEqual([
    expect.stringMatching(/^PORT: /),
    expect.stringMatching(/^SALLYPORT_SEAL_KEY: is required/),
    expect.stringMatching(/^SALLYPORT_ID_KEY: is required/),
    expect.stringMatching(/^SLACK_SIGNING_SECRET: no channel is configured/),
  ]);
});

test.each(['ingress', 'worker', 'all', 'dev'] as const)('the role %s needs keys and a channel', (role) => {
  const names = problemsOf({}, undefined, role).map((problem) => problem.split(':')[0]);
  expect(names).toEqual(['SALLYPORT_SEAL_KEY', 'SALLYPORT_ID_KEY', 'SLACK_SIGNING_SECRET']);
  expect(problemsOf(sound, undefined, role)).toEqual([]);
});

test.each([
  'SLACK_SIGNING_SECRET',
  'SALLYPORT_SEAL_KEY',
  'SALLYPORT_ID_KEY',
  'SALLYPORT_JWT_SECRET',
  'SALLYPORT_METRICS_TOKEN',
  'SALLYPORT_RELAY_KEY',
])('an empty %s stops the start instead of counting as absent', (name) => {
  for (const empty of ['', ' ', '\t']) {
    expect(problemsOf({ ...sound, [name]: empty })).toContainEqual(expect.stringMatching(new RegExp(`^${name}: `)));
  }
});

test.each([
  ['SLACK_SIGNING_SECRET', 'x'.repeat(15)],
  ['SLACK_SIGNING_SECRET', `${SECRET},`],
  ['SLACK_SIGNING_SECRET', `${SECRET},short`],
  ['SLACK_BOT_TOKEN', 'xoxb-short'],
  ['SALLYPORT_JWT_SECRET', 'x'.repeat(31)],
  ['SALLYPORT_METRICS_TOKEN', 'x'.repeat(15)],
  ['SALLYPORT_SEAL_KEY', Buffer.alloc(31).toString('base64')],
  ['SALLYPORT_SEAL_KEY', Buffer.alloc(33).toString('base64')],
  ['SALLYPORT_SEAL_KEY', 'a'.repeat(64)],
  ['SALLYPORT_SEAL_KEY', `${KEY},`],
  ['SALLYPORT_ID_KEY', `${KEY},${KEY}`],
])('a key that is too short, too long or half a list is refused: %s', (name, value) => {
  expect(problemsOf({ ...sound, [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name}: `))]);
});

test('a secret keeps its exact characters: white space around it is a copying mistake', () => {
  const jwtSecret = 'a-secret-of-at-least-thirty-two-bytes';
  expect(problemsOf({ ...sound, SALLYPORT_JWT_SECRET: `${jwtSecret}\n` })).toEqual([
    'SALLYPORT_JWT_SECRET: has white space around it',
  ]);
  // Bytes count, not characters.
  expect(problemsOf({ ...sound, SALLYPORT_JWT_SECRET: 'é'.repeat(16) })).toEqual([]);
});

const jwks = { SALLYPORT_JWT_JWKS_URL: 'https://issuer.example/keys' };
const named = { SALLYPORT_JWT_ISSUER: 'https://issuer.example', SALLYPORT_JWT_AUDIENCE: 'sallyport' };
const introspection = { SALLYPORT_JWT_INTROSPECTION_URL: 'https://issuer.example/introspect' };
const SECRET_32 = 'a-secret-of-at-least-thirty-two-bytes';

test.each<readonly [string, Record<string, string>, string[]]>([
  ['the keys of an issuer, with its name and an audience', { ...jwks, ...named }, []],
  ['secrets', { SALLYPORT_JWT_SECRET: SECRET_32, SALLYPORT_JWT_PREVIOUS_SECRETS: `${SECRET_32}1,${SECRET_32}2` }, []],
  [
    'keys of an issuer without its name and an audience',
    jwks,
    [
      'SALLYPORT_JWT_ISSUER: is required with SALLYPORT_JWT_JWKS_URL',
      'SALLYPORT_JWT_AUDIENCE: is required with SALLYPORT_JWT_JWKS_URL',
    ],
  ],
  [
    'keys of an issuer and a secret',
    { ...jwks, ...named, SALLYPORT_JWT_SECRET: SECRET_32 },
    ['SALLYPORT_JWT_SECRET: must not be set together with SALLYPORT_JWT_JWKS_URL'],
  ],
  [
    'a previous secret that is too short',
    { SALLYPORT_JWT_SECRET: SECRET_32, SALLYPORT_JWT_PREVIOUS_SECRETS: 'short' },
    ['SALLYPORT_JWT_PREVIOUS_SECRETS: is too short: at least 32 bytes are needed'],
  ],
  [
    'introspection without credentials',
    { ...jwks, ...named, ...introspection },
    [
      'SALLYPORT_JWT_INTROSPECTION_CLIENT_ID: is required with SALLYPORT_JWT_INTROSPECTION_URL',
      'SALLYPORT_JWT_INTROSPECTION_CLIENT_SECRET: is required with SALLYPORT_JWT_INTROSPECTION_URL',
    ],
  ],
])('what verifies tokens is one thing, and complete: %s', (_, environment, problems) => {
  expect(problemsOf({ ...sound, ...environment })).toEqual(problems);
});

test('a secret that dev makes up gives way to the keys of an issuer', () => {
  const made = { SALLYPORT_JWT_SECRET: SECRET_32 };
  const api = (environment: Record<string, string>, file?: unknown) => {
    const loaded = loadConfig(file, { ...sound, ...environment }, 'dev', made);
    return loaded.ok ? loaded.config.api.jwtSecret : loaded.problems;
  };
  expect(api({})).toBe(SECRET_32);
  expect(api({ ...jwks, ...named })).toBeUndefined();
  expect(api(named, { api: { jwtJwksUrl: jwks.SALLYPORT_JWT_JWKS_URL } })).toBeUndefined();
});

test.each([
  ['SALLYPORT_WINDOW_SLACK', '24h', '25h'],
  ['SALLYPORT_WINDOW_GRAPH', '239m', '4h'],
  ['SALLYPORT_WINDOW_TEAMS', '59m', '1h'],
  ['SALLYPORT_WINDOW_GMAIL', '6d', '7d'],
])('%s may not be shorter than the sender’s retries', (name, short, enough) => {
  expect(problemsOf({ ...sound, [name]: short })).toEqual([
    expect.stringMatching(new RegExp(`^${name}: must be at least`)),
  ]);
  expect(problemsOf({ ...sound, [name]: enough })).toEqual([]);
});

test.each([
  ['10s', '20s', '21s'],
  ['10m', '610s', '611s'],
])('a reply timeout of %s is refused with a maximum age of %s, and taken with %s', (timeout, short, enough) => {
  const settings = { ...sound, SALLYPORT_REPLY_TIMEOUT: timeout };
  expect(problemsOf({ ...settings, SALLYPORT_MAX_AGE: short })).toEqual([
    expect.stringMatching(/^SALLYPORT_REPLY_TIMEOUT: is too long for SALLYPORT_MAX_AGE: a lost slack reply/),
  ]);
  expect(problemsOf({ ...settings, SALLYPORT_MAX_AGE: enough })).toEqual([]);
});

test.each(['0', '1.5h', '-1h', '72', 'h', '1w', '9999999999h', '1h30m'])('%s is no duration', (value) => {
  expect(problemsOf({ ...sound, SALLYPORT_MAX_AGE: value })).toEqual([expect.stringMatching(/^SALLYPORT_MAX_AGE: /)]);
});

test.each([
  ['SALLYPORT_GRACE', '0s'],
  ['SALLYPORT_GRACE', '30d'],
  ['SALLYPORT_BODY_TIMEOUT', '0ms'],
  ['SALLYPORT_BODY_TIMEOUT', '25d'],
  ['SALLYPORT_LEASE', '0s'],
  ['SALLYPORT_LEASE', '25d'],
  ['SALLYPORT_REPLY_TIMEOUT', '0s'],
  ['SALLYPORT_REPLY_TIMEOUT', '25d'],
])('%s=%s is refused: a timer of that length fires at once', (name, value) => {
  expect(problemsOf({ ...sound, [name]: value })).toEqual([
    expect.stringMatching(new RegExp(`^${name}: must be from `)),
  ]);
});

const urls = Object.keys(allVariables.paths).filter((name) => name.endsWith('_URL') && name !== 'SALLYPORT_REDIS_URL');

/** What switches the channels on whose URLs are tried. */
const switchedOn = {
  ...sound,
  GRAPH_TENANT_ID: 'contoso.example',
  TEAMS_APP_ID: 'app',
  GMAIL_PUSH_AUDIENCE: 'https://gate.example/hooks/gmail',
  GMAIL_PUSH_SERVICE_ACCOUNT: 'push@example.iam.gserviceaccount.com',
  GMAIL_PUSH_SUBSCRIPTION: 'projects/p/subscriptions/s',
  LLM_BASE_URL: 'https://api.example.com/v1',
  LLM_MODEL: 'm',
  SALLYPORT_JWT_ISSUER: 'https://issuer.example/',
  SALLYPORT_JWT_AUDIENCE: 'sallyport',
  SALLYPORT_JWT_INTROSPECTION_CLIENT_ID: 'gate',
  SALLYPORT_JWT_INTROSPECTION_CLIENT_SECRET: 'a-secret',
};

test.each(urls)('%s may be plain http only on this machine', (name) => {
  for (const local of [
    'http://127.0.0.1:1234/x/',
    'http://localhost:1/',
    'http://[::1]:8080/',
    'https://api.example.com/',
  ]) {
    expect(problemsOf({ ...switchedOn, [name]: local })).toEqual([]);
  }
  for (const far of [
    'http://api.example.com/',
    'http://10.0.0.1/',
    'http://localhost.example.com/',
    'http://127.0.0.1.example.com/',
    'http://0.0.0.0/',
    'http://169.254.169.254/latest/',
    '//api.example.com/',
    'file:///etc/passwd',
    'javascript:alert(1)',
  ]) {
    expect(problemsOf({ ...switchedOn, [name]: far })).toEqual([
      expect.stringMatching(new RegExp(`^${name}: must be`)),
    ]);
  }
});

test.each([
  'redis://127.0.0.1:6379',
  'rediss://user:password@redis.example:6380/0',
  'redis://a:6379,redis://b:6379,redis://c:6379',
  'redis+sentinel://a:26379,b:26379/mymaster',
])('%s is a Redis URL', (url) => {
  expect(problemsOf({ ...sound, SALLYPORT_REDIS_URL: url })).toEqual([]);
});

test('every unknown key of a file is named, wherever it stands', () => {
  const file = {
    servr: {},
    sevrer: {},
    server: { prot: 8787, hosst: '' },
    tenants: { acme: { slack: { signingSecrets: [SECRET], signingSecret: SECRET, tokn: 'c4n4ry' }, slak: {} } },
  };
  expect([...problemsOf(sound, file)].sort()).toEqual(
    [
      'servr: is not a setting',
      'sevrer: is not a setting',
      'server.hosst: is not a setting',
      'server.prot: is not a setting',
      'tenants.acme.slack.signingSecret: is not a setting',
      'tenants.acme.slack.tokn: is not a setting',
      'tenants.acme.slak: is not a setting',
    ].sort(),
  );
});

test.each([
  [[]],
  ['text'],
  [42],
  [{ tenants: [] }],
  [{ tenants: { default: null } }],
  [{ server: 'x' }],
  [{ keys: [KEY] }],
])('a file that holds something else than settings is a problem, whatever the environment adds: %j', (file) => {
  expect(problemsOf({ ...sound, PORT: '1' }, file)).not.toEqual([]);
});

test.each(['Acme', 'a b', '-a', '', 'a/b', '..', '_system', 'a'.repeat(64), '__proto__x'])(
  'a tenant may not be called “%s”',
  (name) => {
    const file = { tenants: { [name]: { slack: { signingSecrets: [SECRET] } } } };
    expect(problemsOf(sound, file)).toEqual([expect.stringMatching(/a tenant name is/)]);
  },
);

test('an installation names exactly one of workspace and organisation', () => {
  const install = (entry: object) => ({
    tenants: { acme: { slack: { signingSecrets: [SECRET], installations: [{ appId: 'A1', ...entry }] } } },
  });
  const wrong = [expect.stringMatching(/^tenants\.acme\.slack\.installations\.0: needs exactly one/)];
  expect(problemsOf(sound, install({}))).toEqual(wrong);
  expect(problemsOf(sound, install({ teamId: 'T1', enterpriseId: 'E1' }))).toEqual(wrong);
  expect(problemsOf(sound, install({ teamId: 'T1' }))).toEqual([]);
});

test('a code value in a file is a problem and not a crash', () => {
  const problems = problemsOf(sound, { logLevel: () => 'c4n4ry', server: { port: Symbol('c4n4ry') } });
  expect(problems).toEqual([expect.stringMatching(/^PORT: /), expect.stringMatching(/^LOG_LEVEL: /)]);
  expect(problems.join()).not.toContain('c4n4ry');
});

test.each([
  'proxy.example:3128',
  'socks5://proxy.example:1080',
  'http://user:hidden-word@proxy.example/path',
  'http://user:hidden-word@proxy.example/?a',
  'http://user:%zz@proxy.example',
])('a proxy that is none is refused without its value: %s', (value) => {
  const problems = problemsOf({ ...sound, SALLYPORT_HTTPS_PROXY: value });
  expect(problems).toEqual(['SALLYPORT_HTTPS_PROXY: must be http(s)://host:port or http(s)://user:password@host:port']);
});

test.each(['http://proxy.example:3128', 'https://user:p%40ss@proxy.example'])('a proxy is taken: %s', (value) => {
  expect(problemsOf({ ...sound, SALLYPORT_HTTPS_PROXY: value })).toEqual([]);
});

test('a restore may not be ahead of the clock, which would hold every reply', () => {
  const problemsAt = (ms: number) =>
    problemsOf({ ...sound, SALLYPORT_RESTORED_AT: new Date(Date.now() + ms).toISOString() });
  expect(problemsAt(24 * 3_600_000)).toEqual(['SALLYPORT_RESTORED_AT: must not be in the future']);
  expect(problemsAt(-60_000)).toEqual([]);
});
