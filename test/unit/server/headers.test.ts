import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { mintToken, OPERATOR_SCOPES } from '../../../src/cli/access.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { createMetrics } from '../../../src/ops/metrics.ts';
import { mountOps } from '../../../src/server/health/routes.ts';
import type { App } from '../../../src/server/http/context.ts';
import { listen } from '../../../src/server/http/listen.node.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../../src/testing/slack/signer.ts';
import { expectAnswerHeaders } from '../../support/answer-headers.ts';
import { type Gate, JWT_SECRET, openGate, SIGNING_SECRET } from '../../support/gate.ts';
import { exchange, rawRequest } from '../../support/raw-http.ts';

const METRICS_TOKEN = 'a-token-for-metrics-only';
const ops = mountOps({
  ready: { current: () => ({ status: 'failed', checks: {} }), refresh: async () => {}, stop: () => {} },
  metrics: createMetrics({ figures: {}, clock: Date.now }),
  metricsToken: METRICS_TOKEN,
  crypto: nodeCrypto,
  tokenRefused: async () => {},
});

interface Served {
  readonly gate: Gate;
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** A gate on a port of its own, where 127.0.0.1 is a trusted proxy. */
async function serve(corsOrigins: readonly string[] = []): Promise<Served> {
  const gate = await openGate({ mount: [ops], callbackKeys: () => [new Uint8Array(32)], corsOrigins });
  const { port, close } = await listen(gate.app, {
    host: '127.0.0.1',
    port: 0,
    bodyMs: 1_000,
    isTrusted: (address) => address === '127.0.0.1',
    newRequestId: () => 'request-1',
  });
  const stop = async (): Promise<void> => {
    await close(0);
    await gate.stop();
  };
  return { gate, port, url: `http://127.0.0.1:${port}`, stop };
}

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served?.stop());

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

test('every route gives its answers the same headers, whatever their status', async () => {
  const claims = { subject: 'ada', tenant: 'default', scope: OPERATOR_SCOPES, ttlMs: 600_000 };
  const token = (await mintToken({ jwtSecret: JWT_SECRET, tokenMaxLife: 86_400_000 }, claims)) ?? '';
  const statuses = new Set<number>();
  const { routes } = served.gate.app;
  const known = ['/hooks/*', '/callbacks/:run', '/health', '/ready', '/metrics', '/events', '/chat', '/audit'];
  expect(routes.map(({ path }) => path)).toEqual(expect.arrayContaining(known));
  for (const route of routes) {
    const path = route.path.replace('*', 'slack/default').replace(/:\w+/, 'ev_01M801BAN4012DW2RNKW0D2ENA');
    const method = route.method === 'ALL' ? 'POST' : route.method;
    const content = method === 'GET' ? {} : { body: '{"no":"such field"}' };
    for (const headers of [{}, bearer('a.b.c'), bearer(token), bearer(METRICS_TOKEN)]) {
      for (const asked of [method, 'PROPFIND', 'HEAD']) {
        const sent = asked === method ? content : {};
        const answer = await fetch(`${served.url}${path}`, { method: asked, headers, ...sent });
        expectAnswerHeaders(answer.headers);
        await answer.body?.cancel();
        statuses.add(answer.status);
      }
    }
  }
  // What the routes cannot be brought to answer would not be tested.
  expect([...statuses]).toEqual(expect.arrayContaining([200, 400, 401, 404, 405, 503]));
});

test('deliveries have them too: accepted, ignored, forged and unreadable ones', async () => {
  const now = Date.now();
  const post = async (text: string | Uint8Array, signingSecret = SIGNING_SECRET): Promise<number> => {
    const signed = signSlackRequest({ contentType: 'application/json', body: text }, { signingSecret, at: now });
    const answer = await fetch(`${served.url}/hooks/slack`, { ...signed, body: new Uint8Array(signed.body) });
    expectAnswerHeaders(answer.headers);
    return answer.status;
  };
  const message = slackJson(slackMessage({ text: 'hello', channel: 'D0', at: now })).body;
  expect(await post(message)).toBe(200);
  expect(await post('{"type":"event_callback"}')).toBe(200);
  expect(await post(message, 'another secret')).toBe(401);
  expect(await post('{')).toBe(400);
  expect(await post(' '.repeat(2 * 1024 * 1024))).toBe(413);
});

test('an answer that comes before the end of the body says that the connection ends with it', async () => {
  const head = 'POST /hooks/slack HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
  const early = await exchange(served.port, [`${head}content-length: 3000000\r\n\r\n${' '.repeat(1_500_000)}`]);
  expect(early.answers.map(({ status }) => status)).toEqual([413]);
  expect(early.answers[0]?.headers.get('connection')).toBe('close');
  // A proxy that keeps its connections would lose the next delivery, of another sender, on one that is about to end.
  const whole = await exchange(served.port, [`${head}content-length: 2\r\nconnection: keep-alive\r\n\r\n{}`]);
  expect(whole.answers.map(({ status }) => status)).toEqual([401]);
  expect(whole.answers[0]?.headers.get('connection')).toBe('keep-alive');
});

test.each([
  [400, 'no request at all', 'nonsense\r\n\r\n'],
  [400, 'no host', 'GET /health HTTP/1.1\r\n\r\n'],
  [400, 'a host that is none', 'GET /health HTTP/1.1\r\nhost: a b\r\n\r\n'],
  [417, 'an expectation', 'GET /health HTTP/1.1\r\nhost: x\r\nexpect: more\r\n\r\n'],
  [431, 'too many headers', `GET /health HTTP/1.1\r\nhost: x\r\nx-a: ${'a'.repeat(100_000)}\r\n\r\n`],
])('what Node refuses by itself has them: %i for %s', async (status, _, bytes) => {
  const { answers } = await exchange(served.port, [bytes]);
  expect(answers.map((answer) => answer.status)).toEqual([status]);
  for (const { headers } of answers) expectAnswerHeaders(headers);
});

test.each([
  ['https', true],
  ['http, https', true],
  ['https, http', false],
  ['http', false],
  ['HTTPS://', false],
])('behind a trusted proxy that says %j, browsers are told to stay with HTTPS: %s', async (scheme, isSecure) => {
  const bytes = rawRequest('GET /health HTTP/1.1', { host: 'gate.test', 'x-forwarded-proto': scheme });
  const { answers } = await exchange(served.port, [bytes]);
  expect(answers).toHaveLength(1);
  for (const { headers } of answers) expectAnswerHeaders(headers, isSecure);
});

test('what a peer says of HTTPS that is no trusted proxy is not believed', async () => {
  const app: App = new Hono();
  app.get('/health', (c) => c.json({}));
  const newRequestId = () => 'request-1';
  const here = { host: '127.0.0.1', port: 0, bodyMs: 1_000, isTrusted: () => false, newRequestId };
  const { port, close } = await listen(app, here);
  onTestFinished(() => close(0));
  const answer = await fetch(`http://127.0.0.1:${port}/health`, { headers: { 'x-forwarded-proto': 'https' } });
  expectAnswerHeaders(answer.headers, false);
});

describe('paths', () => {
  const ask = async (target: string, method = 'GET') => {
    const bytes = rawRequest(`${method} ${target} HTTP/1.1`, { host: 'gate.test', connection: 'close' });
    const { answers } = await exchange(served.port, [bytes], { untilClosed: true });
    expect(answers).toHaveLength(1);
    return answers[0];
  };

  test.each([
    '/hooks/../health',
    '/hooks/slack/../../health',
    '/./health',
    '/health/.',
    '/health/..',
    '//health',
    '/health//',
    '/%68ealth',
    '/hooks/%2e%2e/health',
    '/hooks/.%2E/health',
    '/hooks%2f..%2fhealth',
    '/hooks\\..\\health',
    '/hooks/%5c../health',
    '/health%00',
    '/health%0a',
    '/health%7f',
    '/health%',
    '/health%2',
    '/health;',
    '/health"',
    '/Health',
    '/health/',
    'http://gate.test/hooks/../health',
    'http://gate.test//health',
  ])('%s is not /health, and is answered as any unknown path is', async (target) => {
    const unknown = await ask('/nothing');
    const answer = await ask(target);
    expect([answer?.status, answer?.body]).toEqual([404, unknown?.body]);
  });

  test.each(['/health', '/health?x=/../', 'http://other.test/health'])('%s is', async (target) => {
    expect((await ask(target))?.status).toBe(200);
  });

  test.each([
    ['DELETE', '/health', 'GET, HEAD'],
    ['PUT', '/chat', 'POST'],
    ['POST', '/events', 'GET, HEAD'],
    ['GET', '/events/ev_01M801BAN4012DW2RNKW0D2ENA/park', 'POST'],
    ['GET', '/hooks/slack/nobody', 'POST'],
    ['GET', '/callbacks/default.program.ev_01M801BAN4012DW2RNKW0D2ENA.1', 'POST'],
  ])('%s %s is answered 405 and says which methods there are: %s', async (method, path, allow) => {
    const answer = await ask(path, method);
    expect([answer?.status, answer?.headers.get('allow')]).toEqual([405, allow]);
  });
});

describe('pages of other origins', () => {
  const CONSOLE = 'https://console.example.com';
  let open: Served;
  beforeAll(async () => {
    open = await serve([CONSOLE, 'http://localhost:3000']);
  });
  afterAll(() => open?.stop());

  const preflight = (origin: string, method: string) => ({
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': 'authorization,content-type',
    },
  });
  const crossOriginHeaders = (answer: Response): string[] =>
    [...answer.headers.keys()].filter((name) => name.startsWith('access-control-'));

  test('may call the API where they are configured, with a token and never with credentials', async () => {
    const asked = await fetch(`${open.url}/budgets/day`, preflight(CONSOLE, 'PUT'));
    expect(asked.status).toBe(204);
    expect(Object.fromEntries(asked.headers)).toMatchObject({
      'access-control-allow-origin': CONSOLE,
      'access-control-allow-methods': 'PUT',
      'access-control-allow-headers': expect.stringContaining('authorization'),
      'access-control-max-age': '600',
      vary: expect.stringContaining('Origin'),
    });
    expect(asked.headers.has('access-control-allow-credentials')).toBe(false);
    expectAnswerHeaders(asked.headers);

    // An error is an answer that a page has to be able to read.
    const answer = await fetch(`${open.url}/events`, { headers: { origin: CONSOLE } });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('access-control-allow-origin')).toBe(CONSOLE);
    expect(answer.headers.get('access-control-expose-headers')).toContain('www-authenticate');
    expect(answer.headers.get('vary')).toBe('Origin');
    expectAnswerHeaders(answer.headers);
  });

  test.each([
    'null',
    '*',
    'https://console.example.com.evil.example',
    'https://console.example.com:8443',
    'http://console.example.com',
    'https://CONSOLE.example.com',
    'https://sub.console.example.com',
    'http://localhost:3001',
  ])('are not let in as %s', async (origin) => {
    for (const init of [preflight(origin, 'GET'), { headers: { origin } }]) {
      const answer = await fetch(`${open.url}/events`, init);
      expect(answer.headers.has('access-control-allow-origin')).toBe(false);
      expect(answer.headers.get('vary')).toContain('Origin');
    }
  });

  test('an answer without an origin varies by it as well, so that no cache gives it to a page', async () => {
    expect((await fetch(`${open.url}/events`)).headers.get('vary')).toBe('Origin');
  });

  test.each([
    '/hooks/slack',
    '/callbacks/default.program.ev_01M801BAN4012DW2RNKW0D2ENA.1',
    '/metrics',
    '/health',
    '/ready',
  ])('never reach %s', async (path) => {
    for (const init of [preflight(CONSOLE, 'GET'), { headers: { origin: CONSOLE } }]) {
      const answer = await fetch(`${open.url}${path}`, init);
      expect(crossOriginHeaders(answer)).toEqual([]);
      if ('method' in init) expect(answer.status).toBe(405);
    }
  });

  test('reach nothing where none is configured: a preflight is a method that no route has', async () => {
    const asked = await fetch(`${served.url}/events`, preflight(CONSOLE, 'GET'));
    expect([asked.status, asked.headers.get('allow'), crossOriginHeaders(asked)]).toEqual([405, 'GET, HEAD', []]);
  });
});
