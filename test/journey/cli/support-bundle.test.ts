import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Io } from '../../../src/cli/io.ts';
import { runCommandLine } from '../../../src/cli/program.ts';
import { harmlessFields, harmlessSettings } from '../../../src/cli/support/harmless.ts';
import { createRedactor } from '../../../src/cli/support/redact.ts';
import { declaredSettings } from '../../../src/config/declared.ts';
import { allVariables } from '../../../src/config/environment.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { sallyport } from '../../support/command.ts';
import { testFolder } from '../../support/folder.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');

/** A value for a setting that nobody must see, in a form that the setting takes; null where only harmless ones are taken. */
const canaries: Readonly<Record<string, string>> = {
  HOST: 'canary-host.example',
  SALLYPORT_PUBLIC_URL: 'https://canary-public.example/',
  SALLYPORT_TRUSTED_PROXIES: '203.0.113.77/32',
  SALLYPORT_TLS_CERT: '/canary-folder/tls.crt',
  SALLYPORT_TLS_KEY: '/canary-folder/tls.key',
  SALLYPORT_METRICS_TOKEN: 'canary-metrics-token-of-a-gate',
  SALLYPORT_SEAL_KEY: Buffer.from('canary-seal-key-of-32-bytes-----').toString('base64'),
  SALLYPORT_ID_KEY: KEY,
  SALLYPORT_JWT_SECRET: 'canary-jwt-secret-of-at-least-32-bytes',
  SALLYPORT_JWT_ISSUER: 'canary-issuer',
  SALLYPORT_REDIS_PREFIX: 'canaryprefix',
  SALLYPORT_RELAY_KEY: Buffer.from('canary-relay-key-of-32-bytes----').toString('base64'),
  SALLYPORT_HTTPS_PROXY: 'http://canaryuser:canarypassword@canary-proxy.example:3128',
  SALLYPORT_REVIEW_APPROVERS: 'canary.person@example.com',
  SLACK_SIGNING_SECRET: 'canary-slack-signing-secret',
  SLACK_BOT_TOKEN: 'xoxb-canary-bot-token',
  TEAMS_APP_ID: '00000000-0000-4000-8000-0000c0ffee00',
  TEAMS_APP_PASSWORD: 'canary-teams-password',
  GRAPH_TENANT_ID: '00000000-0000-4000-8000-0000c0ffee01',
  GRAPH_CLIENT_ID: '00000000-0000-4000-8000-0000c0ffee02',
  GRAPH_CLIENT_SECRET: 'canary-graph-secret',
  GMAIL_MAILBOXES: 'canary.mailbox@example.com',
  LLM_BASE_URL: 'https://canary-model.example/v1',
  LLM_API_KEY: 'sk-canary-model-key',
  LLM_MODEL: 'canary-model-name',
  SALLYPORT_LINK_HOSTS: 'canary-links.example',
  SALLYPORT_CANARY_TYPO: 'canary-value-of-a-misspelt-setting',
};

/** What must be nowhere: each value, and each part of one that is a name, a number of an address or a secret of its own. */
const FORBIDDEN = [
  ...Object.entries(canaries).flatMap(([name, value]) =>
    name === 'SALLYPORT_TRUSTED_PROXIES' ? ['203.0.113'] : [value],
  ),
  ...['canary', 'c0ffee', 'CANARY', 'Canary', 'example.com', 'xoxb', KEY],
];

const log = [
  {
    level: 30,
    time: 1,
    pid: 2,
    msg: 'delivery.accepted',
    channel: 'slack',
    eventId: 'ev_CANARY',
    requestId: 'canary-1',
    ackMs: 3,
  },
  {
    level: 50,
    time: 2,
    pid: 2,
    msg: 'attempt.failed',
    eventId: 'ev_CANARY',
    code: 'ERR_INTERNAL',
    text: 'canary words',
    error: {
      type: 'TypeError',
      message: 'canary said this',
      stack: 'TypeError: canary\n    at canary (/home/canary/dist/chunk-AB.js:10:20)',
    },
  },
  { level: 40, time: 3, msg: 'Canary wrote a message', reason: 'xoxb-canary-bot-token', channel: { canary: 'canary' } },
  'a line that is not JSON: canary-jwt-secret-of-at-least-32-bytes',
];

/** A gate whose answers say more than they should. */
async function startLeakyGate(): Promise<string> {
  const ready = {
    status: 'failed',
    checks: {
      store: { status: 'ok', latencyMs: 2 },
      'canary-check': { status: 'ok', latencyMs: 1, code: 'canary said' },
    },
  };
  const pages: Readonly<Record<string, string>> = {
    '/health': '{"status":"canary"}',
    '/ready': JSON.stringify({ ...ready, canary: 'canary' }),
    '/metrics': 'sallyport_queue_events{state="queued"} 3\nsallyport_runs_total{agent="canary-agent"} 1\n# canary\n',
  };
  const server = createServer(({ url = '' }, response) => void response.end(pages[url]));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function bundleOf(environment: Record<string, string>, more: readonly string[] = []) {
  const folder = await testFolder();
  await writeFile(
    join(folder, 'gate.log'),
    log.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join('\n'),
  );
  const file = { tenants: { 'canary-tenant': { slack: { signingSecrets: ['canary-secret-of-another-tenant'] } } } };
  await writeFile(join(folder, 'sallyport.config.json'), JSON.stringify(file));
  const said: string[] = [];
  const say = (text: string): void => void said.push(text);
  const io: Io = {
    environment: { SALLYPORT_DATA_DIR: join(folder, 'canary-data'), ...environment },
    ...{ folder, input: Readable.from([]), write: say, print: say, complain: say },
  };
  const never = () => Promise.reject(new Error('no role is started here'));
  const examine = async () => () => [
    {
      name: 'slack credentials (canary-tenant)',
      run: async () => 'team Canary, user canary.person@example.com, 12 scopes',
    },
    { name: 'store', run: () => Promise.reject(new Error('SALLYPORT_DATA_DIR: /canary-folder is not writable')) },
    { name: 'model', run: async () => ({ warning: 'canary-model-name has no price' }) },
  ];
  const counts = { events: { queued: 3 }, parkedByCode: { ERR_AMBIGUOUS_EFFECT: 1 }, oldestMs: 5 };
  const roles = { ...{ ingress: never, worker: never, all: never, dev: never, storeCopies: never }, examine };
  const args = ['support-bundle', 'bundle.json', '--logs', 'gate.log', ...more];
  const code = await runCommandLine(
    args,
    io,
    async () => ({ ...roles, storeCounts: async () => async () => counts }),
    '1.2.3',
  );
  const path = join(folder, 'bundle.json');
  const again = await runCommandLine(args, io, async () => ({ ...roles, storeCounts: never }), '1.2.3');
  return { code, again, said: said.join('\n'), path, text: code === 0 ? readFileSync(path, 'utf8') : '' };
}

describe('a support bundle', () => {
  test('has nothing of what is planted in every setting, tenant, check, log line and answer', async () => {
    const { code, again, said, text, path } = await bundleOf({ ...canaries, SALLYPORT_URL: await startLeakyGate() });
    expect([code, again]).toEqual([0, 1]);
    for (const word of FORBIDDEN) expect(text, word).not.toContain(word);
    expect(said.replaceAll('bundle.json', '')).not.toMatch(/canary-(?!data)|c0ffee/);
    expect(said).toContain('bundle.json: exists already; choose another name');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(JSON.parse(text)).toMatchObject({
      bundle: 1,
      versions: { sallyport: '1.2.3', node: process.version },
      store: 'embedded',
      settings: {
        SLACK_BOT_TOKEN: { given: 'environment' },
        SALLYPORT_CONCURRENCY: { given: 'no', value: 32 },
        SALLYPORT_LEASE: { value: 30_000 },
      },
      unknownSettings: 1,
      events: { events: { queued: 3 }, parkedByCode: { ERR_AMBIGUOUS_EFFECT: 1 } },
      doctor: [
        { check: 'slack credentials [redacted]', outcome: 'ok', text: 'team [redacted] user [redacted] 12 scopes' },
        { check: 'store', outcome: 'failed', text: 'SALLYPORT_DATA_DIR: [redacted] is not writable' },
        { check: 'model', outcome: 'warning', text: '[redacted] has no price' },
      ],
      gate: { health: 200, ready: 200, metrics: 200 },
      ready: { store: { status: 'ok', latencyMs: 2 } },
    });
    expect(JSON.parse(text).metrics[0]).toBe('sallyport_queue_events{state="queued"} 3');
    const [{ last, lines }] = JSON.parse(text).logs;
    expect(lines).toBe(4);
    expect(last[0]).toMatchObject({ msg: 'delivery.accepted', channel: 'slack', ackMs: 3 });
    expect(last[1]).toMatchObject({
      code: 'ERR_INTERNAL',
      error: { kind: 'TypeError', frames: ['chunk-AB.js:10:20'] },
    });
    // The same event is recognised, by a digest of this bundle alone.
    expect(last[0].eventId).toMatch(/^#[0-9a-f]{8}$/);
    expect(last[1].eventId).toBe(last[0].eventId);
  });

  test('names what is wrong with a configuration that is refused, without a value', async () => {
    const { code, text } = await bundleOf({
      ...canaries,
      PORT: 'canary',
      SALLYPORT_SEAL_KEY_FILE: '/canary-folder/seal',
    });
    expect(code).toBe(0);
    for (const word of FORBIDDEN) expect(text, word).not.toContain(word);
    expect(JSON.parse(text).problems.join('\n')).toMatch(/^PORT: must be a whole number/m);
  });

  test('takes the last lines of a log', async () => {
    const { text } = await bundleOf({ SALLYPORT_ID_KEY: KEY, SALLYPORT_URL: 'http://127.0.0.1:1' }, ['--lines', '1']);
    expect(JSON.parse(text).logs).toEqual([{ lines: 4, last: [{ unreadable: 63 }] }]);
  });
});

/** A bundle of this folder, with the real checks. */
async function realBundle(folder: string, environment: Record<string, string> = {}) {
  const { code, out, err } = await sallyport(['support-bundle', 'bundle.json'], {
    folder,
    environment: {
      SALLYPORT_ID_KEY: KEY,
      SALLYPORT_SEAL_KEY: KEY,
      SLACK_SIGNING_SECRET: 'a-signing-secret',
      ...environment,
    },
  });
  const path = join(folder, 'bundle.json');
  return { code, said: out + err, path, text: existsSync(path) ? readFileSync(path, 'utf8') : '' };
}

test('a store that is not there is not made', async () => {
  const folder = await testFolder();
  const { code, text } = await realBundle(folder);
  expect([code, JSON.parse(text).events]).toEqual([0, 'no store of this release in SALLYPORT_DATA_DIR']);
  expect(JSON.parse(text).doctor.map(({ check }: { check: string }) => check)).not.toContain('store');
  expect(readdirSync(folder)).toEqual(['bundle.json']);
});

test.each([
  ['a syntax error', "export default { tenants: { canary: { slack: { signingSecret: 'x } } } };"],
  ['an unclosed template', 'const canary = `x;\nexport default {};'],
  ['what is thrown', "const canary = 1; throw new Error('canary is ' + canary);"],
])('a configuration with %s is told without its source', async (_, text) => {
  const folder = await testFolder();
  await writeFile(join(folder, 'sallyport.config.ts'), text);
  const bundle = await realBundle(folder);
  expect(bundle.code).toBe(0);
  expect(bundle.text).not.toContain('canary');
  expect(JSON.parse(bundle.text).problems.join(' ')).toMatch(/cannot be loaded/);
  expect(JSON.parse(bundle.text)).toHaveProperty('gate');
});

test('a configuration that contains itself is no reason to fail', async () => {
  const folder = await testFolder();
  const text = 'const store = { dataDir: "data" }; store.store = store; export default { store };';
  await writeFile(join(folder, 'sallyport.config.ts'), text);
  const { code, text: bundle } = await realBundle(folder);
  expect([code, JSON.parse(bundle).problems.length]).toEqual([0, 1]);
});

test('what a guardrail says, and what looks like a token, is left out of log lines', () => {
  const { logLine } = createRedactor([]);
  const lines = [
    { msg: 'guardrail.blocked', reason: 'hunter' },
    {
      msg: 'delivery.rejected',
      reason: 'signature_mismatch',
      scope: ['xoxb', '123456789012', 'abcdefghijklmnop'].join('-'),
    },
  ];
  expect(lines.map((line) => logLine(JSON.stringify(line)))).toEqual([
    { msg: 'guardrail.blocked' },
    { msg: 'delivery.rejected', reason: 'signature_mismatch', scope: '[redacted]' },
  ]);
});

test('no setting whose value is shown is a secret, and each exists', () => {
  const declared = new Map(declaredSettings(configSchema).map((one) => [one.path.join('.'), one]));
  expect([...harmlessSettings].filter((place) => declared.get(place)?.secret === true || !declared.has(place))).toEqual(
    [],
  );
  expect(harmlessSettings.size).toBeLessThan(Object.keys(allVariables.paths).length / 2);
  expect([...harmlessFields].filter((name) => /text|token|secret|user|message|url/i.test(name))).toEqual([]);
});

test('metrics keep their figures, and labels that are words of the gate', async () => {
  const { metrics } = createRedactor(['acme']);
  const page =
    'sallyport_runs_total{agent="Canary bot",outcome="replied"} 3\nsallyport_x{channel="acme"} 1\n# HELP canary\ncanary 1e+22 2\n';
  const shown = metrics(page);
  expect(shown[0]).toMatch(/^sallyport_runs_total\{agent="#[0-9a-f]{8}",outcome="replied"\} 3$/);
  expect(shown[1]).toMatch(/^sallyport_x\{channel="#[0-9a-f]{8}"\} 1$/);
  expect(shown).toHaveLength(2);
});
