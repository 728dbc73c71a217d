import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type LlmServer, startLlmServer } from '../../src/testing/agents/llm-server.ts';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import { type SignedSlackRequest, signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { sampleSecrets } from '../fixtures/secrets.ts';
import { ensureBuilt } from '../support/built.ts';
import { freshKeys, seeded } from '../support/campaign.ts';
import { holds, leaks } from '../support/canary/search.ts';
import { endWithParent } from '../support/children.ts';
import { type CollectedSpan, type Collector, startCollector, treeOf } from '../support/collector.ts';
import { testFolder } from '../support/folder.ts';
import { freePort } from '../support/free-port.ts';
import { describeRedis, startRedis } from '../support/redis.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { until } from '../support/until.ts';

const root = join(import.meta.dirname, '..', '..');
const ZOD = import.meta.resolve('zod');
const JWT_SECRET = 'traces-journey-secret-of-32-bytes-or-more';
const secrets = sampleSecrets(seeded(20_277));
/** Words of a person, which no scrubber would take out. */
const PROSE = 'marigold-under-the-bridge';
/** A sender that would like to choose what is recorded, and where. */
const STRANGER = 'f'.repeat(32);

/** A tool whose argument and result hold what they should not, and that asks an address it was given. */
const CONFIG = `
import { z } from ${JSON.stringify(ZOD)};
const look = {
  name: 'look', description: 'Looks.', effect: 'none', input: z.looseObject({ url: z.string() }),
  async run({ url, words }, { fetch }) {
    await fetch(url).catch(() => {});
    return words;
  },
};
export default { agents: [{ name: 'support', instructions: 'You help.', tools: [look] }] };
`;

interface World {
  readonly roles: readonly RoleProcess[];
  readonly folder: string;
  readonly slack: SlackServer;
  readonly llm: LlmServer;
  readonly collector: Collector;
  /** Sends a message as Slack does. Without a request of its own: a new one with the text. */
  post(text: string, again?: SignedSlackRequest): Promise<{ outcome: string; event: string; sent: SignedSlackRequest }>;
  stateOf(event: string): Promise<string>;
  redrive(event: string): Promise<void>;
  /** Runs of an event in the order in which they began, once there are so many. */
  runs(event: string, count: number): Promise<CollectedSpan[]>;
}

async function openWorld(
  roles: readonly string[],
  store: Readonly<Record<string, string>>,
  more: Readonly<Record<string, string>> = {},
): Promise<World> {
  const [slack, llm, collector, folder] = await Promise.all([
    startSlackServer(),
    startLlmServer(),
    startCollector(),
    testFolder(),
  ]);
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, 'sallyport.config.js'), CONFIG);
  const keys = freshKeys();
  const environment = {
    ...keys,
    ...store,
    SALLYPORT_DATA_DIR: folder,
    SALLYPORT_JWT_SECRET: JWT_SECRET,
    SLACK_API_URL: slack.url,
    LLM_BASE_URL: llm.url,
    LLM_API_KEY: 'sk-local-of-the-journey',
    LLM_MODEL: 'local',
    LLM_PRICE_INPUT: '1',
    LLM_PRICE_OUTPUT: '2',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=key-of-the-collector',
    OTEL_BSP_SCHEDULE_DELAY: '100',
    ...more,
  };
  const started: RoleProcess[] = [];
  onTestFinished(async () => {
    await Promise.all([...started.map((role) => role.kill()), slack.stop(), llm.stop(), collector.stop()]);
  });
  for (const role of roles) started.push(await startRole({ role, environment, folder }));
  const base = started[0]?.url ?? '';
  const token = await new SignJWT({ tenant: 'default', scope: 'events:read events:write' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ada')
    .setExpirationTime('10m')
    .sign(Buffer.from(JWT_SECRET));
  const headers = { authorization: `Bearer ${token}` };
  return {
    ...{ roles: started, folder, slack, llm, collector },
    async post(text, again) {
      const at = Date.now();
      const payload = slackJson(slackMessage({ text, at, channel: 'D0000001' }));
      const sent = again ?? signSlackRequest(payload, { signingSecret: keys.SLACK_SIGNING_SECRET, at });
      const traced = { ...sent.headers, traceparent: `00-${STRANGER}-${'e'.repeat(16)}-01` };
      const request = { ...sent, headers: traced, body: new Uint8Array(sent.body) };
      const answer = await fetch(`${base}/hooks/slack/default`, request);
      const [outcome, event] = ['outcome', 'event'].map((name) => answer.headers.get(`x-sallyport-${name}`) ?? '');
      return { outcome: outcome ?? '', event: event ?? '', sent };
    },
    async stateOf(event) {
      const answer = await fetch(`${base}/events/${event}`, { headers });
      return ((await answer.json()) as { state: string }).state;
    },
    async redrive(event) {
      const { status } = await fetch(`${base}/events/${event}/redrive`, { method: 'POST', headers });
      expect(status).toBe(200);
    },
    async runs(event, count) {
      const found = () =>
        collector.spans.filter(
          ({ kind, attributes }) => kind === CONSUMER && attributes['sallyport.event.id'] === event,
        );
      await until(`${count} runs of ${event} were exported`, () => found().length >= count);
      return found().sort((a, b) => Number(a.attributes['sallyport.run']) - Number(b.attributes['sallyport.run']));
    },
  };
}

/** `SpanKind` as OTLP counts it. */
const CONSUMER = 5;

const ofTrace = ({ spans }: Collector, { traceId }: { readonly traceId: string }): CollectedSpan[] =>
  spans.filter((span) => span.traceId === traceId);

/** `links`: what a delivery refers to, which is what its sender says, where that is a trusted proxy. */
function journey(open: () => Promise<World>, links: readonly object[]): void {
  test('one trace leads from a signed delivery to the reply; retries, redrives and duplicates show as what they are', async () => {
    const world = await open();
    const { post, llm, collector, runs, slack, stateOf } = world;
    const [first, second, third] = secrets.map(({ text }) => text);
    const words = {
      words: `${PROSE} ${first}`,
      url: `https://192.0.2.1/${encodeURIComponent(second ?? '')}?q=${PROSE}`,
    };
    llm.script(
      {
        text: `${PROSE} ${third}`,
        calls: [
          { name: 'look', arguments: words },
          { name: `${PROSE}-${first}`, arguments: words },
        ],
      },
      { text: `so it is ${PROSE} ${third}`, usage: { input: 300, output: 40 } },
    );
    const { outcome, event, sent } = await post(`${PROSE} ${secrets.map(({ text }) => text).join('\n')}`);
    expect(outcome).toBe('accepted');
    const [run] = (await runs(event, 1)) as [CollectedSpan];
    expect(slack.posts).toHaveLength(1);
    await until('the delivery was exported', () => ofTrace(collector, run).some(({ kind }) => kind === 2));

    const whole = ofTrace(collector, run);
    expect(treeOf(whole.filter(({ name }) => !name.startsWith('guardrail ')))).toEqual([
      'delivery slack',
      '  accept',
      '    run slack',
      '      invoke_agent support',
      '        chat local',
      '          POST',
      '        execute_tool look',
      '          GET',
      '        execute_tool unknown',
      '        chat local',
      '          POST',
      '      reply slack',
      '        POST',
    ]);
    const guarded = new Set(
      whole.filter(({ name }) => name.startsWith('guardrail ')).map(({ parentSpanId }) => parentSpanId),
    );
    const named = (name: string) => whole.filter((span) => span.name === name);
    // Arguments are checked within the call, a reply after the agent has ended.
    const parents = [...named('execute_tool look'), ...named('run slack')];
    expect(guarded).toEqual(new Set(parents.map(({ spanId }) => spanId)));
    const [delivery] = named('delivery slack');
    expect(delivery).toMatchObject({ links, isFailed: false });
    expect(delivery?.attributes).toMatchObject({
      'sallyport.tenant': 'default',
      'sallyport.channel': 'slack',
      'sallyport.event.id': event,
      'sallyport.outcome': 'accepted',
      'http.response.status_code': 200,
    });
    expect(run.attributes).toMatchObject({
      'sallyport.outcome': 'done',
      'sallyport.attempt': 1,
      'sallyport.generation': 1,
      'gen_ai.agent.name': 'support',
      'gen_ai.usage.input_tokens': 400,
      'sallyport.cost.usd_micros': 100 + 2 * 20 + 300 + 2 * 40,
    });
    expect(named('chat local').map(({ attributes }) => attributes['gen_ai.usage.output_tokens'])).toEqual([20, 40]);
    expect(named('execute_tool look')[0]?.attributes).toMatchObject({
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'look',
      'sallyport.outcome': 'done',
    });
    expect(named('GET')[0]).toMatchObject({ isFailed: true, attributes: { 'error.type': 'ERR_OUTBOUND_BLOCKED' } });
    expect(named('GET')[0]?.attributes).not.toHaveProperty('server.address');
    expect(named('reply slack')[0]?.attributes).toMatchObject({ 'sallyport.outcome': 'delivered' });

    // The very same request once more.
    expect(await post('', sent)).toMatchObject({ outcome: 'duplicate', event });
    // A model that is away for a moment, and then refuses for good until an operator tries again.
    llm.script({ status: 503 }, { status: 400 });
    const { event: failing } = await post('fail');
    await until('it is parked', async () => (await stateOf(failing)) === 'parked');
    llm.script({ text: 'at last' });
    await world.redrive(failing);
    const tries = await runs(failing, 3);
    expect(
      tries.map(({ attributes }) => [attributes['sallyport.generation'], attributes['sallyport.attempt']]),
    ).toEqual([
      [1, 1],
      [1, 2],
      [2, 1],
    ]);
    expect(tries.map(({ attributes }) => attributes['error.type'])).toEqual([
      'ERR_MODEL_UNAVAILABLE',
      'ERR_MODEL_REJECTED',
      undefined,
    ]);
    const [retried, parked, redriven] = tries;
    expect(parked).toMatchObject({ traceId: retried?.traceId, parentSpanId: retried?.parentSpanId, links: [] });
    const accepted = { traceId: retried?.traceId, spanId: retried?.parentSpanId };
    expect(redriven).toMatchObject({ parentSpanId: '', links: [accepted] });
    expect(redriven?.traceId).not.toBe(retried?.traceId);

    const duplicate = () => collector.spans.find(({ attributes }) => attributes['sallyport.outcome'] === 'duplicate');
    await until('the duplicate was exported', () => duplicate() !== undefined);
    expect(duplicate()?.attributes['sallyport.event.id']).toBe(event);
    expect(duplicate()?.traceId).not.toBe(run.traceId);
    expect(await runs(event, 1)).toHaveLength(1);

    await stopWhileTheCollectorHangs(world);

    expect(collector.spans.map(({ traceId }) => traceId)).not.toContain(STRANGER);
    const places = new Map([['spans', Buffer.concat(collector.bodies)]]);
    expect(leaks(secrets, places)).toEqual([]);
    const own = {
      prose: PROSE,
      'model key': 'sk-local-of-the-journey',
      'collector key': 'key-of-the-collector',
    };
    expect(holds(places, own)).toEqual([]);
    expect(holds(places, { 'the search finds what is there': event })).toHaveLength(1);
  });
}

/** Deliveries, runs, replies and the end of the processes do not wait for a collector, and the log says so once. */
async function stopWhileTheCollectorHangs({ post, slack, collector, llm, roles, folder }: World): Promise<void> {
  collector.mode = 'hang';
  const posted = slack.posts.length;
  llm.script({ text: 'nobody watches' });
  expect((await post('hello')).outcome).toBe('accepted');
  await until('it is answered', () => slack.posts.length > posted);
  const startedAt = performance.now();
  expect(await Promise.all(roles.map((role) => role.stop()))).toEqual(roles.map(() => 0));
  // A worker takes up to a second to end its blocking reads; without its bound the SDK would take 10 s more.
  expect(performance.now() - startedAt).toBeLessThan(8_000);
  const logs = (await readdir(folder)).filter((name) => name.endsWith('.log'));
  expect(logs).toHaveLength(roles.length);
  for (const log of logs) {
    const lines = (await readFile(join(folder, log), 'utf8')).split('\n').filter((line) => line.includes('traces.'));
    expect(lines.map((line) => (JSON.parse(line) as { code: string }).code)).toEqual(['ERR_OUTBOUND_TIMEOUT']);
  }
}

describe('with the embedded store, in one process', () => journey(() => openWorld(['all'], {}), []));

describeRedis('with Redis, over two processes', () =>
  journey(async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const proxy = { SALLYPORT_TRUSTED_PROXIES: '127.0.0.1/32' };
    return openWorld(['ingress', 'worker'], { SALLYPORT_REDIS_URL: redis.url, ...proxy });
  }, [{ traceId: STRANGER, spanId: 'e'.repeat(16) }]),
);

/** The built product in a project that has everything but the optional packages. */
async function withoutPackages(): Promise<string> {
  await ensureBuilt();
  const folder = await testFolder();
  await mkdir(join(folder, 'dist'));
  await mkdir(join(folder, 'node_modules'));
  await cp(join(root, 'bin'), join(folder, 'bin'), { recursive: true });
  await cp(join(root, 'package.json'), join(folder, 'package.json'));
  for (const name of (await readdir(join(root, 'dist'))).filter((file) => file.endsWith('.js'))) {
    await cp(join(root, 'dist', name), join(folder, 'dist', name));
  }
  for (const name of await readdir(join(root, 'node_modules'))) {
    if (name.startsWith('.') || name === '@opentelemetry') continue;
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  }
  return folder;
}

describe('without the optional packages', () => {
  test('a process starts where no collector is named, and where one is it ends with 78 and their names', async () => {
    const folder = await withoutPackages();
    const start = async (more: Readonly<Record<string, string>>) => {
      const port = await freePort();
      const data = await testFolder();
      const settings = { ...freshKeys(), SALLYPORT_DATA_DIR: data, ...more };
      const child = endWithParent(
        spawn(process.execPath, [join(folder, 'bin', 'sallyport.js'), 'all'], {
          cwd: data,
          env: { PATH: process.env.PATH ?? '', HOST: '127.0.0.1', PORT: String(port), ...settings },
          stdio: ['ignore', 'ignore', 'pipe'],
        }),
      );
      onTestFinished(() => void child.kill('SIGKILL'));
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      return { child, url: `http://127.0.0.1:${port}/health`, said: () => said };
    };
    const plain = await start({ OTEL_SERVICE_NAME: 'gate' });
    const isUp = () =>
      fetch(plain.url).then(
        ({ ok }) => ok,
        () => false,
      );
    await until('it listens', async () => plain.child.exitCode !== null || (await isUp()));
    expect(plain.child.exitCode, plain.said()).toBeNull();
    expect(plain.said()).not.toMatch(/OTEL|opentelemetry/);
    plain.child.kill('SIGKILL');

    const { child, said } = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' });
    const [code] = await once(child, 'close');
    expect(code).toBe(78);
    expect(said()).toMatch(
      /^OTEL_EXPORTER_OTLP_ENDPOINT: needs packages that are not installed; run npm install @opentelemetry\/api@\S+ @opentelemetry\/sdk-trace-node@\S+ @opentelemetry\/resources@\S+ @opentelemetry\/exporter-trace-otlp-http@\S+, or unset it \(ERR_CONFIG_INVALID\)\n$/,
    );
  });
});
