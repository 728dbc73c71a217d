import { expect, test } from 'vitest';
import { loadConfig, type Role } from '../../../src/config/load.ts';
import type { Config } from '../../../src/config/schema.ts';

const HOUR = 3_600_000;
const KEY = Buffer.alloc(32, 7).toString('base64');
const OTHER_KEY = Buffer.alloc(32, 8).toString('base64');
const SECRET = '8f742231b10e8888abcd99yyyzzz85a5';
const sound = { SALLYPORT_SEAL_KEY: KEY, SALLYPORT_ID_KEY: KEY, SLACK_SIGNING_SECRET: SECRET };

function load(environment: Record<string, string>, file: unknown = undefined, role: Role = 'all'): Config {
  const loaded = loadConfig(file, environment, role);
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  return loaded.config;
}

test('the defaults are the documented ones', () => {
  expect(load(sound)).toMatchObject({
    server: { port: 8787, bodyLimit: 1024 ** 2, graphBodyLimit: 4 * 1024 ** 2, grace: 25_000 },
    store: { shards: 1, prefix: 'sp', minReplicas: 0, allowUnsafe: false, dataDir: '.sallyport' },
    windows: { slack: 72 * HOUR, graph: 24 * HOUR, teams: 24 * HOUR, gmail: 7 * 24 * HOUR },
    agent: { maxSteps: 20, memory: { turns: 10, bytes: 16_384, age: 7 * 24 * HOUR } },
    agents: [],
    tenants: {
      default: {
        slack: { apiUrl: 'https://slack.com/api/' },
        budget: {
          onExhausted: 'park',
          limits: {
            tenant: { usdMicros: { day: 5_000_000 } },
            user: { runs: { hour: 5 } },
            run: { modelCalls: { run: 20 }, seconds: { run: 120 } },
          },
        },
      },
    },
  });
  const { server, store, metricsToken, api } = load(sound);
  // Whose default depends on the role or the channel, or that switch something on, are absent.
  expect([server.host, server.publicUrl, server.trustedProxies, server.outcomeHeaders, store.redisUrl]).toEqual(
    Array.from({ length: 5 }, () => undefined),
  );
  expect([metricsToken, api.jwtSecret]).toEqual([undefined, undefined]);
});

test('durations, sizes, flags and lists are read as they are written in the environment', () => {
  const config = load({
    ...sound,
    SALLYPORT_WINDOW_SLACK: '7d',
    SALLYPORT_MAX_AGE: '90m',
    SALLYPORT_BODY_TIMEOUT: '500ms',
    SALLYPORT_BODY_LIMIT: '512KiB',
    SALLYPORT_OUTCOME_HEADERS: '0',
    SALLYPORT_ALLOW_UNSAFE_REDIS: '1',
    SALLYPORT_TRUSTED_PROXIES: '10.0.0.0/8, fd00::/8',
    SLACK_SIGNING_SECRET: `${SECRET}, ${SECRET}x`,
    SALLYPORT_SEAL_KEY: `${KEY},${OTHER_KEY}`,
  });
  expect(config.windows.slack).toBe(7 * 24 * HOUR);
  expect(config.maxAge).toBe(1.5 * HOUR);
  // One limit for all channels once it is given.
  expect(config.server).toMatchObject({ bodyTimeout: 500, bodyLimit: 512 * 1024, graphBodyLimit: 512 * 1024 });
  expect(config.server).toMatchObject({ outcomeHeaders: false, trustedProxies: ['10.0.0.0/8', 'fd00::/8'] });
  expect(config.store.allowUnsafe).toBe(true);
  expect(config.tenants.default?.slack?.signingSecrets).toEqual([SECRET, `${SECRET}x`]);
  expect(config.keys.seal).toEqual([new Uint8Array(32).fill(7), new Uint8Array(32).fill(8)]);
});

test('an empty variable counts as absent, as compose files write unset ones', () => {
  const config = load({ ...sound, PORT: '', HOST: ' ', SALLYPORT_REDIS_URL: '', SLACK_BOT_TOKEN: '', LOG_LEVEL: '' });
  expect(config).toEqual(load(sound));
});

test('the environment lies over the file, setting by setting', () => {
  const file = {
    server: { port: 1111, publicUrl: 'https://file.example/', grace: '10s' },
    keys: { seal: OTHER_KEY, id: OTHER_KEY },
    tenants: { default: { slack: { signingSecrets: ['the-secret-of-the-file'], botToken: 'xoxb-token-of-the-file' } } },
  };
  const config = load({ PORT: '2222', SLACK_SIGNING_SECRET: SECRET, SALLYPORT_ID_KEY: KEY }, file);
  expect(config.server).toMatchObject({ port: 2222, publicUrl: 'https://file.example/', grace: 10_000 });
  expect(config.keys).toEqual({ seal: [new Uint8Array(32).fill(8)], id: new Uint8Array(32).fill(7) });
  expect(config.tenants.default?.slack).toMatchObject({
    signingSecrets: [SECRET],
    botToken: 'xoxb-token-of-the-file',
  });
  expect(file.server.port).toBe(1111);
});

test('a file describes several tenants; the environment speaks of the default one only', () => {
  const slack = { signingSecrets: [SECRET], installations: [{ appId: 'A1', teamId: 'T1' }] };
  const file = { tenants: { acme: { slack }, 'tenant-2': { slack: { ...slack, mentionsOnly: true } } } };
  const { SLACK_SIGNING_SECRET: _, ...keys } = sound;
  expect(Object.keys(load(keys, file).tenants)).toEqual(['acme', 'tenant-2']);
  const { tenants } = load({ ...sound, SLACK_BOT_TOKEN: 'xoxb-local-token-for-tests' }, file);
  expect(Object.keys(tenants).sort()).toEqual(['acme', 'default', 'tenant-2']);
  expect(tenants.default?.slack?.botToken).toBe('xoxb-local-token-for-tests');
  expect(tenants.acme?.slack?.botToken).toBeUndefined();
  expect(tenants['tenant-2']?.slack?.mentionsOnly).toBe(true);
});

test('a variable that only refines a channel does not switch it on, and refines one that the file switches on', () => {
  const { SLACK_SIGNING_SECRET: _, ...keys } = sound;
  const refining = { ...keys, SLACK_BOT_TOKEN: 'xoxb-local-token-for-tests', SLACK_API_URL: 'http://127.0.0.1:1/api/' };
  expect(
    load(refining, { tenants: { acme: { slack: { signingSecrets: [SECRET] } } } }).tenants.default,
  ).toBeUndefined();
  const file = { tenants: { default: { slack: { signingSecrets: [SECRET] } } } };
  expect(load(refining, file).tenants.default?.slack).toMatchObject({
    botToken: 'xoxb-local-token-for-tests',
    apiUrl: 'http://127.0.0.1:1/api/',
  });
});

test('what a command makes up stands behind both the environment and the file', () => {
  const file = {
    server: { host: '0.0.0.0' },
    keys: { id: OTHER_KEY },
    tenants: { default: { slack: { signingSecrets: ['the-secret-of-the-file'] } } },
  };
  const madeUp = { ...sound, HOST: '127.0.0.1', SALLYPORT_OUTCOME_HEADERS: '1' };
  const loaded = loadConfig(
    file,
    { SLACK_BOT_TOKEN: 'xoxb-local-token-for-tests', SALLYPORT_OUTCOME_HEADERS: '' },
    'dev',
    madeUp,
  );
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  const { server, keys, tenants } = loaded.config;
  expect(server).toMatchObject({ host: '0.0.0.0', outcomeHeaders: true });
  expect(keys).toEqual({ seal: [new Uint8Array(32).fill(7)], id: new Uint8Array(32).fill(8) });
  expect(tenants.default?.slack).toMatchObject({
    signingSecrets: ['the-secret-of-the-file'],
    botToken: 'xoxb-local-token-for-tests',
  });
});

test('a made-up secret switches on the channel that the environment refines', () => {
  const loaded = loadConfig(undefined, { SLACK_API_URL: 'http://127.0.0.1:1/api/' }, 'dev', sound);
  expect(loaded).toMatchObject({
    ok: true,
    config: { tenants: { default: { slack: { apiUrl: 'http://127.0.0.1:1/api/' } } } },
  });
});

test('the configuration is frozen through and through', () => {
  const file = {
    tenants: { acme: { slack: { signingSecrets: [SECRET], installations: [{ appId: 'A1', teamId: 'T1' }] } } },
  };
  const thawed = (value: unknown, path: string): string[] => {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
    const here = Object.isFrozen(value) ? [] : [path];
    return [...here, ...Object.entries(value).flatMap(([key, child]) => thawed(child, `${path}.${key}`))];
  };
  expect(thawed(load(sound, file), 'config')).toEqual([]);
});

test('origins of pages are whole origins, over HTTPS unless they are local', () => {
  const { api } = load({ ...sound, SALLYPORT_CORS_ORIGINS: 'https://Console.example.com/, http://localhost:3000' });
  expect(api.corsOrigins).toEqual(['https://console.example.com', 'http://localhost:3000']);
});

test.each([
  '*',
  'null',
  'console.example.com',
  'https://*.example.com/x',
  'https://a.example/path',
  'http://a.example',
  '',
])('%j is no origin', (origin) => {
  expect(() => load({ ...sound, SALLYPORT_CORS_ORIGINS: `https://b.example,${origin}` })).toThrow(
    'SALLYPORT_CORS_ORIGINS',
  );
});
