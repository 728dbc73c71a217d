import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type SlackBody, signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { signTeamsOutgoing, teamsMessage } from '../../src/testing/teams/signer.ts';
import { expectAnswerHeaders } from '../support/answer-headers.ts';
import { freshKeys } from '../support/campaign.ts';
import { type Exchange, type ExchangeOptions, exchange, rawRequest, type Script } from '../support/raw-http.ts';
import { type RoleProcess, startRole } from '../support/role.ts';

let folder: string;
let gate: RoleProcess;
const { SLACK_BOT_TOKEN: _, ...keys } = freshKeys();
const TEAMS_OUTGOING_SECRET = Buffer.alloc(32, 9).toString('base64');
const PATH = '/hooks/slack/default';
/** In everything hostile; no answer may hold it. */
const CANARY = 'c4n4ry';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-hostile-'));
  gate = await startRole({
    role: 'all',
    folder,
    environment: {
      ...keys,
      TEAMS_OUTGOING_SECRET,
      SALLYPORT_BODY_TIMEOUT: '1s',
      SALLYPORT_FAILURES_PER_MINUTE: '100000',
      SALLYPORT_METRICS_TOKEN: 'a-token-for-metrics-only',
      SALLYPORT_TRUSTED_PROXIES: '127.0.0.0/8',
      LOG_LEVEL: 'debug',
    },
  });
});

afterEach(async () => {
  // Whatever came before: the process lives, and a correct delivery is accepted.
  expect(gate.child.exitCode).toBeNull();
  const { status, headers } = await deliver(
    slackJson(slackMessage({ text: 'still there?', channel: 'D0', at: Date.now() })),
  );
  expect([status, headers.get('x-sallyport-outcome')]).toEqual([200, 'accepted']);
});

afterAll(async () => {
  const code = await gate?.stop();
  const log = await readFile(join(folder, `all-${gate?.port}.log`), 'utf8');
  await rm(folder, { recursive: true, force: true });
  expect(code).toBe(0);
  expect(log).not.toMatch(/process\.crashed|request\.failed|delivery\.failed|ERR_INTERNAL/);
});

const sign = (body: SlackBody) => signSlackRequest(body, { signingSecret: keys.SLACK_SIGNING_SECRET, at: Date.now() });

function deliver(body: SlackBody): Promise<Response> {
  const signed = sign(body);
  return fetch(`${gate.url}${PATH}`, { ...signed, body: new Uint8Array(signed.body) });
}

/** A correctly signed delivery as header pairs, for attacks that change one thing. */
function signedHeaders(body: SlackBody): Record<string, string> {
  const { headers, body: bytes } = sign(body);
  return { host: `127.0.0.1:${gate.port}`, ...headers, 'content-length': String(bytes.length) };
}

const json = (text: string): SlackBody => ({ contentType: 'application/json', body: text });
const plain = json('{"type":"event_callback"}');

/** As header bytes, which are written as latin1. */
const utf8 = (text: string): string => Buffer.from(text).toString('latin1');

/** Whatever is sent, whoever answers it: the headers of every answer are there. */
async function attack(script: Script, options?: ExchangeOptions): Promise<Exchange> {
  const result = await exchange(gate.port, script, options);
  for (const { headers } of result.answers) expectAnswerHeaders(headers);
  return result;
}

/** Every answer has one of these statuses and repeats nothing of what was sent. */
function expectAnswers({ answers, raw }: Exchange, ...statuses: readonly number[]): void {
  expect(answers.map(({ status }) => status)).toEqual(statuses);
  expect(raw).not.toContain(CANARY);
}

// Bodies

test('a chunked body of 5 MiB is answered 413 while it comes, and the connection ends', async () => {
  const { 'content-length': __, ...headers } = signedHeaders(plain);
  const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536, 0x20), Buffer.from('\r\n')]);
  function* script() {
    yield rawRequest(`POST ${PATH} HTTP/1.1`, { ...headers, 'transfer-encoding': 'chunked' });
    for (let i = 0; i < 80; i += 1) yield chunk;
  }
  const result = await attack(script(), { untilClosed: true });
  expectAnswers(result, 413);
  expect(result.answers[0]?.headers.get('x-slack-no-retry')).toBe('1');
});

test('a sender that never stops sending gets its 413 and is cut off', async () => {
  const { 'content-length': __, ...headers } = signedHeaders(plain);
  const chunk = Buffer.concat([Buffer.from('4000\r\n'), Buffer.alloc(16_384, 0x20), Buffer.from('\r\n')]);
  function* script() {
    yield rawRequest(`POST ${PATH} HTTP/1.1`, { ...headers, 'transfer-encoding': 'chunked' });
    for (;;) {
      yield chunk;
      yield 2;
    }
  }
  const result = await attack(script(), { untilClosed: true });
  expectAnswers(result, 413);
});

test('a body that says it is large is refused by what comes, not by what it says', async () => {
  const headers = { ...signedHeaders(plain), 'content-length': '999999999999' };
  // Nothing of it comes: the time for a body decides.
  const slow = await attack([rawRequest(`POST ${PATH} HTTP/1.1`, headers, '{}')], { untilClosed: true });
  expectAnswers(slow, 408);
});

test('a content-length that is too small leaves the rest to be no request at all', async () => {
  const text = `{"type":"event_callback","${CANARY}":"${'x'.repeat(50)}"}`;
  const headers = { ...signedHeaders(json(text)), 'content-length': '10' };
  const result = await attack([rawRequest(`POST ${PATH} HTTP/1.1`, headers, text)], { untilClosed: true });
  // The parser may see the rest before the first answer has left.
  expect([[400], [401, 400]]).toContainEqual(result.answers.map(({ status }) => status));
  expect(result.raw).not.toContain(CANARY);
});

test('a content-length that is too large is waited for only so long', async () => {
  const signed = sign(plain);
  const headers = { ...signedHeaders(plain), 'content-length': String(signed.body.length + 1) };
  const result = await attack([rawRequest(`POST ${PATH} HTTP/1.1`, headers, signed.body)], { untilClosed: true });
  expectAnswers(result, 408);
});

test('a body that drips is answered 408 and its connection ends', async () => {
  const headers = { ...signedHeaders(plain), 'content-length': '1000' };
  function* script() {
    yield rawRequest(`POST ${PATH} HTTP/1.1`, headers);
    for (let i = 0; i < 100; i += 1) {
      yield ' ';
      yield 100;
    }
  }
  const result = await attack(script(), { untilClosed: true });
  expectAnswers(result, 408);
  // It was the gate's own limit for bodies, not the server's for everything.
  expect(result.answers[0]?.headers.get('x-request-id')).toEqual(expect.any(String));
});

test('a connection that ends in the middle of its body is nobody’s trouble', async () => {
  for (let i = 0; i < 20; i += 1) {
    const response = await fetch(`${gate.url}/health`);
    expect(response.ok).toBe(true);
    const controller = new AbortController();
    const upload = fetch(`${gate.url}${PATH}`, {
      method: 'POST',
      headers: sign(plain).headers,
      body: new ReadableStream({ start: (c) => c.enqueue(new Uint8Array(10)) }),
      duplex: 'half',
      signal: controller.signal,
    } as RequestInit);
    setTimeout(() => controller.abort(), 5);
    await expect(upload).rejects.toThrow();
  }
});

test.each([
  ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), 400],
  ['UTF-16', Buffer.from('{"type":"event_callback"}', 'utf16le'), 400],
  ['JSON 100,000 deep', Buffer.from('['.repeat(100_000) + ']'.repeat(100_000)), 400],
  ['objects 100,000 deep', Buffer.from(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`), 400],
  ['an open string of a megabyte', Buffer.from(`"${'\\"'.repeat(500_000)}`), 400],
  ['a number of a megabyte', Buffer.from('9'.repeat(1_000_000)), 200],
  ['nothing', Buffer.alloc(0), 400],
  ['only white space', Buffer.from(' \n\t '), 400],
  ['a NUL', Buffer.from('\0'), 400],
  ['duplicate keys', Buffer.from(`{"type":"url_verification","type":"${CANARY}","event":1,"event":2}`), 200],
  ['__proto__', Buffer.from(`{"__proto__":{"type":"url_verification","challenge":"${CANARY}"},"type":"x"}`), 200],
  [
    'constructor and prototype',
    Buffer.from('{"constructor":{"prototype":{"polluted":1}},"type":"event_callback","event":{"type":"message"}}'),
    200,
  ],
])('a signed body of %s has its status and does no harm', async (_, body, status) => {
  const response = await deliver({ contentType: 'application/json', body });
  expect(response.status).toBe(status);
  expect(await response.text()).not.toContain(CANARY);
});

test('a form of 50,000 fields, and one that is no form, have their status and do no harm', async () => {
  const fields = Array.from({ length: 50_000 }, (_, i) => `k${i}=v`).join('&');
  for (const body of [fields, '&&&===&&&', '%', '%ff=%fe', 'payload=%7B', `payload=${'['.repeat(70_000)}`]) {
    const response = await deliver({ contentType: 'application/x-www-form-urlencoded', body });
    expect([200, 400]).toContain(response.status);
  }
});

// Headers

test('a control character in any header is answered 400 or taken for a bad signature', async () => {
  const names = [
    'x-slack-signature',
    'x-slack-request-timestamp',
    'content-type',
    'user-agent',
    'x-forwarded-for',
    'traceparent',
  ];
  for (const name of names) {
    for (const char of ['\0', '\x01', '\x08', '\x0b', '\x1b', '\x7f', '\r', '\n']) {
      const headers = { ...signedHeaders(plain), [name]: `${CANARY}${char}${CANARY}` };
      const result = await attack([rawRequest(`POST ${PATH} HTTP/1.1`, headers, plain.body)]);
      expect(result.answers.every(({ status }) => [400, 401].includes(status))).toBe(true);
      expect(result.raw).not.toContain(CANARY);
    }
  }
});

test.each(['\t', '\x80', '\xff', 'ÿþ', '\xe2\x80\xae', '; charset=utf-8; x="'])(
  'odd but legal bytes in headers that no proof looks at change nothing: %j',
  async (odd) => {
    const body = slackJson(slackMessage({ text: 'odd', channel: 'D0', at: Date.now() }));
    const headers = { ...signedHeaders(body), 'user-agent': `a${odd}b`, 'x-forwarded-for': `${odd}, 10.0.0.1${odd}` };
    const result = await attack([rawRequest(`POST ${PATH} HTTP/1.1`, headers, body.body)]);
    expect(result.answers.map(({ headers: got }) => got.get('x-sallyport-outcome'))).toEqual(['accepted']);
  },
);

test('a signature that is sent twice proves nothing, whichever of the two is right', async () => {
  const { 'x-slack-signature': right = '', ...rest } = signedHeaders(plain);
  const wrong = `v0=${'0'.repeat(64)}`;
  for (const [first, second] of [
    [right, wrong],
    [wrong, right],
    [right, right],
  ]) {
    const pairs = [
      ...Object.entries(rest),
      ['x-slack-signature', first ?? ''],
      ['X-Slack-Signature', second ?? ''],
    ] as const;
    expectAnswers(await attack([rawRequest(`POST ${PATH} HTTP/1.1`, pairs, plain.body)]), 401);
  }
});

test('a timestamp that is sent twice proves nothing', async () => {
  const headers = signedHeaders(plain);
  const pairs = [
    ...Object.entries(headers),
    ['x-slack-request-timestamp', headers['x-slack-request-timestamp'] ?? ''],
  ] as const;
  expectAnswers(await attack([rawRequest(`POST ${PATH} HTTP/1.1`, pairs, plain.body)]), 401);
});

test('a timestamp in any other spelling is refused', async () => {
  const { 'x-slack-request-timestamp': now = '' } = signedHeaders(plain);
  const spellings = [
    ...[
      '',
      '0',
      '-1',
      `-${now}`,
      `+${now}`,
      `0${now}`,
      `${now}.0`,
      `${now}e0`,
      `${now}000`,
      `0x${Number(now).toString(16)}`,
    ],
    ...[
      'NaN',
      'Infinity',
      'null',
      '1e9',
      '9999999999',
      '1000000000',
      new Date().toISOString(),
      new Date().toUTCString(),
    ],
    ...[`${now},${now}`, `${now} ${now}`, utf8('١٧٠٠٠٠٠٠٠٠'), `${now}${'0'.repeat(5_000)}`],
  ];
  for (const spelling of spellings) {
    const headers = { ...signedHeaders(plain), 'x-slack-request-timestamp': spelling };
    const result = await attack([rawRequest(`POST ${PATH} HTTP/1.1`, headers, plain.body)]);
    expectAnswers(result, 401);
  }
});

test('a signature in any other spelling is refused', async () => {
  const { 'x-slack-signature': right = '' } = signedHeaders(plain);
  const digest = right.slice('v0='.length);
  const spellings = [
    ...[
      '',
      'v0=',
      digest,
      `v1=${digest}`,
      `V0=${digest}`,
      `v0=${digest.toUpperCase()}`,
      `v0:${digest}`,
      `v0= ${digest}`,
    ],
    ...[
      right.slice(0, -1),
      `${right}0`,
      `${right},${right}`,
      `v0=${digest.slice(0, -1)}g`,
      `v0=${utf8('０').repeat(64)}`,
    ],
  ];
  for (const spelling of spellings) {
    const headers = { ...signedHeaders(plain), 'x-slack-signature': spelling };
    expectAnswers(await attack([rawRequest(`POST ${PATH} HTTP/1.1`, headers, plain.body)]), 401);
  }
});

test('headers over their limit are answered 431 and the connection ends', async () => {
  const headers = { ...signedHeaders(plain), 'x-large': CANARY.repeat(10_000) };
  expectAnswers(await attack([rawRequest(`POST ${PATH} HTTP/1.1`, headers, plain.body)], { untilClosed: true }), 431);
  const many = Array.from({ length: 5_000 }, (_, i) => [`x-${i}`, CANARY] as const);
  expectAnswers(await attack([rawRequest(`POST ${PATH} HTTP/1.1`, many)], { untilClosed: true }), 431);
});

test('headers that come too slowly end the connection', async () => {
  function* script() {
    yield `POST ${PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\n`;
    for (let i = 0; i < 200; i += 1) {
      yield `x-${i}: ${CANARY}\r\n`;
      yield 100;
    }
  }
  expectAnswers(await attack(script(), { untilClosed: true }), 408);
});

// Connections

test('fifty requests in one write are answered in their order', async () => {
  const requests = Array.from({ length: 50 }, (_, i) => {
    const body = slackJson(
      slackMessage({
        text: `pipelined ${i}`,
        channel: 'D0',
        ts: `1700000000.${String(i).padStart(6, '0')}`,
        at: Date.now(),
      }),
    );
    // Every third is a forgery, so that the order can be seen.
    const headers =
      i % 3 === 0 ? { ...signedHeaders(body), 'x-slack-signature': `v0=${'0'.repeat(64)}` } : signedHeaders(body);
    return rawRequest(`POST ${PATH} HTTP/1.1`, headers, body.body);
  });
  const result = await attack([Buffer.concat(requests)], { answers: 50 });
  expect(result.answers.map(({ status }) => status)).toEqual(
    Array.from({ length: 50 }, (_, i) => (i % 3 === 0 ? 401 : 200)),
  );
  const ids = result.answers.map(({ headers }) => headers.get('x-request-id'));
  expect(new Set(ids).size).toBe(50);
});

test.each([
  ['both lengths', { 'transfer-encoding': 'chunked' }],
  ['both lengths, disguised', { 'Transfer-Encoding': '\tchunked' }],
  ['two transfer codings', { 'transfer-encoding': 'chunked, identity' }],
  ['an unknown transfer coding', { 'transfer-encoding': 'xchunked' }],
  ['a coding after chunked', { 'transfer-encoding': 'chunked,gzip' }],
])('a request with %s is refused, and what it smuggles is not looked at', async (_, extra) => {
  const smuggled = rawRequest('GET /metrics HTTP/1.1', { host: 'x', authorization: 'Bearer a-token-for-metrics-only' });
  const headers = { ...signedHeaders(plain), 'content-length': '4', ...extra };
  const bytes = rawRequest(`POST ${PATH} HTTP/1.1`, headers, Buffer.concat([Buffer.from('0\r\n\r\n'), smuggled]));
  const result = await attack([bytes], { untilClosed: true });
  expectAnswers(result, 400);
  expect(result.raw).not.toContain('sallyport_');
});

test.each([
  [
    'two different lengths',
    [
      ['content-length', '4'],
      ['content-length', '40'],
    ],
  ],
  ['a length with a sign', [['content-length', '+4']]],
  ['a length in hex', [['content-length', '0x4']]],
  ['a length list', [['content-length', '4, 4']]],
  ['a negative length', [['content-length', '-1']]],
  ['a space before the colon', [['content-length ', '4']]],
  ['a folded header', [['x-a', 'b\r\n c']]],
  ['a header without a name', [['', 'x']]],
] as const)('%s is refused', async (_, extra) => {
  const { 'content-length': __, ...headers } = signedHeaders(plain);
  const bytes = rawRequest(`POST ${PATH} HTTP/1.1`, [...Object.entries(headers), ...extra], `{}${CANARY}`);
  const result = await attack([bytes], { untilClosed: true });
  expectAnswers(result, 400);
});

test.each([
  ['chunk sizes that overflow', 'fffffffffffffffff\r\n'],
  ['a chunk size with a sign', '+5\r\nhello\r\n0\r\n\r\n'],
  ['a chunk size that is none', `${CANARY}\r\n`],
  ['a chunk longer than it says', '2\r\nhello\r\n0\r\n\r\n'],
])('%s end the connection', async (_, body) => {
  const { 'content-length': __, ...headers } = signedHeaders(plain);
  const bytes = rawRequest(`POST ${PATH} HTTP/1.1`, { ...headers, 'transfer-encoding': 'chunked' }, body);
  expectAnswers(await attack([bytes], { untilClosed: true }), 400);
});

test.each([
  ['nothing but a line end', '\r\n\r\n\r\n'],
  ['TLS', Buffer.from('16030100a5010000a1030353', 'hex')],
  ['HTTP/0.9', 'GET /health\r\n'],
  ['HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a version nobody has', `POST ${PATH} HTTP/9.9\r\n\r\n`],
  ['binary noise', Buffer.from(Array.from({ length: 2_000 }, (_, i) => (i * 7919) % 256))],
])('bytes that are no request get 400 at most: %s', async (_, bytes) => {
  const { answers } = await attack([bytes, 'x\r\n\r\n'], { untilClosed: true });
  expect(answers.every(({ status }) => status === 400)).toBe(true);
});

// Methods and paths

test.each([
  'GET',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'HEAD',
  'TRACE',
  'PURGE',
  'PROPFIND',
  'QUERY',
  'M-SEARCH',
  'LINK',
])('the method %s on a hook is answered 405 with Allow', async (method) => {
  for (const path of [PATH, '/hooks/slack/nobody', '/hooks/slack']) {
    const bytes = rawRequest(`${method} ${path} HTTP/1.1`, { host: 'x', connection: 'close', 'content-length': '0' });
    const { answers } = await attack([bytes], { untilClosed: true });
    expect(answers.map(({ status, headers }) => [status, headers.get('allow')])).toEqual([[405, 'POST']]);
  }
});

test.each(['post', 'POSTX', 'FROB', '', ' ', `${'A'.repeat(5_000)}`, 'PO\0ST'])(
  'a method that does not exist ends the connection: %j',
  async (method) => {
    const { answers } = await attack([rawRequest(`${method} ${PATH} HTTP/1.1`, { host: 'x' })], { untilClosed: true });
    expect(answers.every(({ status }) => status === 400)).toBe(true);
  },
);

test('CONNECT and upgrades open nothing', async () => {
  const tunnel = await attack([rawRequest('CONNECT example.com:443 HTTP/1.1', { host: 'example.com' })], {
    untilClosed: true,
  });
  expect(tunnel.answers).toEqual([]);
  const upgrade = {
    host: 'x',
    connection: 'upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'eA==',
  };
  expectAnswers(await attack([rawRequest('GET /events HTTP/1.1', upgrade)]), 401);
  const h2c = {
    ...signedHeaders(plain),
    connection: 'Upgrade, HTTP2-Settings',
    upgrade: 'h2c',
    'http2-settings': 'AAMAAABkAARAAAAAAAIAAAAA',
  };
  const { answers } = await attack([rawRequest(`POST ${PATH} HTTP/1.1`, h2c, plain.body)]);
  expect(answers.map(({ status }) => status)).toEqual([200]);
});

test.each([
  '//hooks/slack/default',
  '/hooks//slack/default',
  '/hooks/slack/%2e%2e/',
  '/hooks/slack/..%2f',
  '/hooks/slack/%2e%2e%2f%2e%2e%2fmetrics',
  '/hooks/slack/default%2f',
  '/hooks/slack%2fdefault',
  '/hooks/slack/default/x',
  '/hooks/slack/default%00',
  '/hooks/slack/%',
  '/hooks/slack/%ff',
  '/hooks/slack/%E2%80%AE',
  '/hooks/slack/DEFAULT',
  '/hooks/Slack/default',
  '/HOOKS/slack/default',
  '/hooks/slack/__proto__',
  '/hooks/__proto__/default',
  '/hooks/constructor',
  '/hooks/slack;x/default',
  `/hooks/slack/${'a'.repeat(8_000)}`,
  `/${'a/'.repeat(4_000)}`,
  '/hooks/teams/default%2Foutgoing',
  '/hooks/teams/default%2foutgoing/',
  '/hooks/graph/default%2flifecycle',
])('no path but its own reaches a hook: %s', async (path) => {
  const body = slackJson(slackMessage({ text: CANARY, channel: 'D0', at: Date.now() }));
  const { answers, raw } = await attack([rawRequest(`POST ${path} HTTP/1.1`, signedHeaders(body), body.body)]);
  expect(answers.map(({ status }) => status)).toEqual([404]);
  expect(raw).not.toContain(CANARY);
});

test('a hook under an encoded name is not another tenant’s hook: a signed request cannot be played a second time there', async () => {
  const activity = teamsMessage({ text: 'once', at: Date.now(), conversationType: 'channel' });
  const { headers, body } = signTeamsOutgoing(activity, { securityToken: TEAMS_OUTGOING_SECRET, at: Date.now() });
  const post = async (path: string) =>
    (await fetch(`${gate.url}${path}`, { method: 'POST', headers, body: new Uint8Array(body) })).status;
  expect(await post('/hooks/teams/default/outgoing')).toBe(200);
  expect(await post('/hooks/teams/default%2Foutgoing')).toBe(404);
});

test.each([
  ['no host', []],
  ['a host that is no host', [['host', 'a b^c']]],
  ['a host with a path', [['host', 'x/../../metrics']]],
] as const)('%s is answered 400', async (_, hosts) => {
  const { host: __, ...headers } = signedHeaders(plain);
  const pairs = [...hosts, ...Object.entries(headers)];
  expectAnswers(await attack([rawRequest(`POST ${PATH} HTTP/1.1`, pairs, plain.body)]), 400);
});

test('a request target that is a whole URL is only a path', async () => {
  const body = slackJson(slackMessage({ text: 'absolute', channel: 'D0', at: Date.now() }));
  const own = await attack([rawRequest(`POST http://evil.example${PATH} HTTP/1.1`, signedHeaders(body), body.body)]);
  expect(own.answers.map(({ status }) => status)).toEqual([200]);
  for (const target of ['*', 'x', 'http://', 'ftp://x/hooks/slack/default', `${PATH}#f`, '/hooks/slack\\default']) {
    const { answers } = await attack([rawRequest(`POST ${target} HTTP/1.1`, signedHeaders(plain), plain.body)], {
      untilClosed: false,
    });
    expect(answers.every(({ status }) => [400, 404, 200].includes(status))).toBe(true);
  }
});

test('a query changes nothing for a sender that signs its body', async () => {
  const body = slackJson(slackMessage({ text: 'query', channel: 'D0', at: Date.now() }));
  const path = `${PATH}?${CANARY}=1&validationToken=${CANARY}&${'x'.repeat(5_000)}`;
  const result = await attack([rawRequest(`POST ${path} HTTP/1.1`, signedHeaders(body), body.body)]);
  expectAnswers(result, 200);
});
