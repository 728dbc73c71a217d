import { createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { createRelayKeys, signEdgeRequest, signRelayRequest } from '../../src/core/relay.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { ensureBuilt } from '../support/built.ts';
import { freshKeys } from '../support/campaign.ts';
import { type Finished, sallyport } from '../support/command.ts';
import { type Edge, startEdge } from '../support/edge.ts';
import { createScriptedOrigin, relayKeys, type ScriptedOrigin } from '../support/edge-origin.ts';
import { until } from '../support/until.ts';

/** The key of `relayKeys`. */
const RELAY_KEY = Buffer.alloc(32, 9).toString('base64');
const SOURCE = { 'cf-connecting-ip': '203.0.113.7' };
const { SLACK_SIGNING_SECRET, SALLYPORT_ID_KEY, SALLYPORT_SEAL_KEY } = freshKeys();

interface ShardView {
  readonly tenant: string;
  readonly shard: string;
  readonly answered: boolean;
  readonly waiting: { readonly events: number };
  readonly parked: { readonly events: number };
  readonly oldestAt: string | null;
}
interface Outbox {
  readonly keys: readonly string[];
  readonly shards: readonly ShardView[];
  readonly parked: readonly {
    readonly event: string;
    readonly shard: string;
    readonly acceptedAt: string;
    readonly parkedAt: string;
  }[];
}

describe('the outbox of the edge, to its operators', () => {
  let origin: ScriptedOrigin;
  let server: Server;
  let edge: Edge;
  let relayUrl: string;
  /** Texts of the events that the origin has taken. */
  let taken: string[];
  /** It refuses the events whose text has this word. */
  let refused: string;

  beforeAll(async () => {
    origin = createScriptedOrigin(Date.now);
    origin.says((batch) => {
      const results = batch.events.map(({ event }) => {
        const isRefused = event.text.includes(refused);
        if (!isRefused) taken.push(event.text);
        const outcome = isRefused ? { outcome: 'rejected', reason: 'malformed' } : { outcome: 'accepted' };
        return { id: event.id, ...outcome };
      });
      return { status: 200, body: { v: 1, results } };
    });
    server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const headers = request.headers as Record<string, string>;
      const answer = await origin.post({ headers, body: Buffer.concat(chunks), timeoutMs: 0 }).catch(() => null);
      if (answer === null) {
        response.writeHead(401).end();
        return;
      }
      const signature = answer.headers.get('x-sallyport-relay-signature') ?? '';
      response.writeHead(answer.status, { 'x-sallyport-relay-signature': signature }).end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    relayUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/relay`;
    edge = await start();
  });
  afterAll(async () => {
    await edge?.stop();
    server?.close();
    server?.closeAllConnections();
  });
  beforeEach(() => {
    taken = [];
    refused = 'poison';
  });

  const start = (settings: Readonly<Record<string, string>> = {}): Promise<Edge> =>
    startEdge({
      settings: {
        ...{ SLACK_SIGNING_SECRET, SALLYPORT_ID_KEY, SALLYPORT_SEAL_KEY, SALLYPORT_RELAY_KEY: RELAY_KEY },
        ...{ SALLYPORT_RELAY_URL: relayUrl, LOG_LEVEL: 'silent' },
        ...settings,
      },
    });

  async function deliver(text: string): Promise<string> {
    const at = Date.now();
    const payload = slackJson(slackMessage({ text, channel: `C${text.length}`, at }));
    const { headers, body } = signSlackRequest(payload, { signingSecret: SLACK_SIGNING_SECRET, at });
    const request = new Request('https://edge.example/hooks/slack/default', {
      method: 'POST',
      headers,
      body: Buffer.from(body),
    });
    const answer = await edge.request(request);
    expect([answer.status, answer.headers.get('x-sallyport-outcome')]).toEqual([200, 'accepted']);
    return answer.headers.get('x-sallyport-event') ?? '';
  }

  const ask = (
    method: 'GET' | 'POST',
    path: string,
    headers: Readonly<Record<string, string>> = signEdgeRequest({ method, path }, Date.now(), relayKeys, nodeCrypto),
    body?: string,
  ): Promise<Response> => {
    const request = { method, headers: { ...SOURCE, ...headers }, ...(body !== undefined && { body }) };
    return edge.request(new Request(`https://edge.example${path}`, request));
  };

  const outbox = async (): Promise<Outbox> => (await (await ask('GET', '/outbox')).json()) as Outbox;

  async function parkOne(text: string): Promise<string> {
    const event = await deliver(text);
    await until('the event is parked', async () => (await outbox()).parked.some((row) => row.event === event));
    return event;
  }

  test('shows what is parked and what each shard has, and no content', async () => {
    const before = new Date().toISOString();
    const event = await parkOne('poison in the first well');
    await deliver('water');
    await until('the other has arrived', async () => taken.includes('water'));
    const answer = await ask('GET', '/outbox');
    const text = await answer.text();
    const { keys, shards, parked } = JSON.parse(text) as Outbox;
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(keys).toEqual([relayKeys[0].id]);
    expect(shards.map(({ shard }) => shard)).toEqual(Array.from({ length: 8 }, (_, n) => `default/${n}`));
    const [row] = parked;
    expect(parked).toEqual([
      {
        ...{ tenant: 'default', shard: row?.shard, event, reason: 'malformed' },
        ...{ bytes: expect.any(Number), acceptedAt: expect.any(String), parkedAt: expect.any(String) },
      },
    ]);
    const { acceptedAt = '', parkedAt = '' } = row ?? {};
    expect([before, acceptedAt, parkedAt, new Date().toISOString()].toSorted()).toEqual([
      ...[before, acceptedAt, parkedAt],
      expect.any(String),
    ]);
    const own = shards.find(({ shard }) => shard === row?.shard);
    expect(own).toMatchObject({ answered: true, waiting: { events: 0 }, parked: { events: 1 }, oldestAt: null });
    expect(text).not.toMatch(/poison|water|T0SALLYPORT|U0SENDER/);
    expect((await ask('POST', `/outbox/${event}/drop`)).status).toBe(200);
  });

  test('sends a parked event again, once, however often the same request comes', async () => {
    const event = await parkOne('poison that becomes wine');
    refused = 'nothing';
    const path = `/outbox/${event}/resend`;
    const headers = signEdgeRequest({ method: 'POST', path }, Date.now(), relayKeys, nodeCrypto);
    const first = await ask('POST', path, headers);
    expect([first.status, await first.json()]).toEqual([
      200,
      { event, shard: expect.stringMatching(/^default\/[0-7]$/), outcome: 'resent' },
    ]);
    await until('it has arrived', async () => taken.length > 0);
    const again = await ask('POST', path, headers);
    expect([again.status, await again.json()]).toMatchObject([404, { code: 'ERR_NOT_FOUND' }]);
    expect((await outbox()).parked).toEqual([]);
    expect(taken).toEqual(['poison that becomes wine']);
  });

  test('drops a parked event', async () => {
    const event = await parkOne('poison for the drain');
    refused = 'nothing';
    const dropped = await ask('POST', `/outbox/${event}/drop`);
    expect([dropped.status, await dropped.json()]).toMatchObject([200, { event, outcome: 'dropped' }]);
    expect((await outbox()).parked).toEqual([]);
    expect((await ask('POST', `/outbox/${event}/resend`)).status).toBe(404);
    await deliver('a later message');
    await until('a later one has arrived', async () => taken.includes('a later message'));
    expect(taken).toEqual(['a later message']);
  });

  describe('a forgery', () => {
    let event: string;
    let path: string;
    beforeAll(async () => {
      taken = [];
      refused = 'poison';
      event = await parkOne('poison for forgers');
      path = `/outbox/${event}/drop`;
    });

    /** A signature with the right key, over these lines. */
    function handMade(label: string, method: string, over: string): Record<string, string> {
      const signed = signEdgeRequest({ method: 'POST', path }, Date.now(), relayKeys, nodeCrypto);
      const [timestamp, nonce] = [signed['x-sallyport-relay-timestamp'], signed['x-sallyport-relay-nonce']];
      const empty = nodeCrypto.sha256Hex('');
      const base = [label, method, over, timestamp, nonce, empty].join('\n');
      const mac = createHmac('sha256', relayKeys[0].mac).update(base).digest('base64url');
      return { ...signed, 'x-sallyport-relay-signature': `v1,${mac}` };
    }
    const good = (at = Date.now(), keys = relayKeys): Record<string, string> => ({
      ...signEdgeRequest({ method: 'POST', path }, at, keys, nodeCrypto),
    });
    const without = (name: string): Record<string, string> => {
      const { [`x-sallyport-relay-${name}`]: _, ...rest } = good();
      return rest;
    };
    const otherKeys = createRelayKeys([Buffer.alloc(32, 8)], nodeCrypto);

    test.each<[string, () => Record<string, string>, string?]>([
      ['without a signature', () => ({})],
      ['with a token', () => ({ authorization: `Bearer ${RELAY_KEY}` })],
      ['without its timestamp', () => without('timestamp')],
      ['without its nonce', () => without('nonce')],
      ['of another version', () => ({ ...good(), 'x-sallyport-relay-version': '2' })],
      ['with another key', () => good(Date.now(), otherKeys)],
      ['from 302 s ago', () => good(Date.now() - 302_000)],
      ['from 302 s ahead', () => good(Date.now() + 302_000)],
      [
        'with another timestamp',
        () => ({
          ...good(),
          'x-sallyport-relay-timestamp': good(Date.now() - 5_000)['x-sallyport-relay-timestamp'] ?? '',
        }),
      ],
      ['for another event', () => handMade('sallyport-edge-request.v1', 'POST', '/outbox/ev_0/drop')],
      ['for the other verb', () => handMade('sallyport-edge-request.v1', 'POST', path.replace('drop', 'resend'))],
      ['for another method', () => handMade('sallyport-edge-request.v1', 'GET', path)],
      ['under the label of the relay', () => handMade('sallyport-relay-request.v1', 'POST', path)],
      [
        'made for the relay',
        () => ({ ...signRelayRequest(new Uint8Array(), Date.now(), relayKeys, nodeCrypto).headers }),
      ],
      ['with a body that was not signed', () => good(), '{}'],
      ['with a body that is too large', () => good(), 'x'.repeat(5_000)],
    ])('%s is answered 401 without detail', async (_, headers, body) => {
      const answer = await ask('POST', path, headers(), body);
      expect([answer.status, await answer.text(), answer.headers.get('content-type')]).toEqual([401, '', null]);
      expect((await outbox()).parked.map((row) => row.event)).toEqual([event]);
    });

    test('is told apart from the same request with its right signature', async () => {
      const answer = await ask('POST', path, handMade('sallyport-edge-request.v1', 'POST', path));
      expect([answer.status, await answer.json()]).toMatchObject([200, { outcome: 'dropped' }]);
    });
  });

  test('counts forgeries against their source, and takes what is proven from there', async () => {
    const strict = await start({ SALLYPORT_FAILURES_PER_MINUTE: '3' });
    try {
      await strict.setClock(Date.now());
      const from = (headers: Readonly<Record<string, string>>) =>
        strict.request(new Request('https://edge.example/outbox', { headers: { ...SOURCE, ...headers } }));
      const statuses = [];
      for (let n = 0; n < 5; n += 1) statuses.push((await from({})).status);
      expect(statuses).toEqual([401, 401, 401, 429, 429]);
      const signed = signEdgeRequest({ method: 'GET', path: '/outbox' }, Date.now(), relayKeys, nodeCrypto);
      expect((await from(signed)).status).toBe(200);
    } finally {
      await strict.stop();
    }
  });

  test.each([
    ['GET', '/outbox/ev_1/drop', 405],
    ['POST', '/outbox', 405],
    ['POST', '/outbox/ev_1/run', 404],
    ['POST', '/outbox/ev_1%2fx/drop', 404],
  ] as const)('has no %s %s', async (method, path, status) => {
    expect((await ask(method, path)).status).toBe(status);
  });

  describe('by the command line', () => {
    let folder: string;
    beforeAll(async () => {
      await ensureBuilt();
      folder = await mkdtemp(join(tmpdir(), 'sallyport-edge-'));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));
    const run = (args: readonly string[], environment: Record<string, string> = {}): Promise<Finished> =>
      sallyport(['edge', ...args], { folder, environment: { SALLYPORT_RELAY_KEY: RELAY_KEY, ...environment } });

    test('is listed, sent again and dropped', async () => {
      const [one, two] = [await parkOne('poison, by hand'), await parkOne('poison, by hand too')];
      const listed = await run(['outbox', '--url', edge.url]);
      expect([listed.code, listed.err]).toEqual([0, '']);
      expect(listed.out).toMatch(new RegExp(`^${one}  \\S+Z  default/\\d  malformed  bytes=\\d+$`, 'm'));
      expect(listed.out).toMatch(/^default\/\d {2}waiting=0 {2}parked=[12]$/m);
      refused = 'nothing';
      expect(await run(['resend', one, '--url', `${edge.url}/`])).toMatchObject({
        code: 0,
        out: expect.stringMatching(new RegExp(`^${one}  default/\\d  resent\n$`)),
      });
      expect(await run(['drop', two, '--url', edge.url, '--json'])).toMatchObject({
        code: 0,
        out: expect.stringContaining('"outcome": "dropped"'),
      });
      await until('it has arrived', async () => taken.includes('poison, by hand'));
      expect(await run(['drop', two, '--url', edge.url])).toEqual({
        ...{ code: 1, out: '' },
        err: '--url: Not found (ERR_NOT_FOUND)\n',
      });
      const none = await run(['outbox', '--url', edge.url]);
      expect([none.code, none.err]).toEqual([0, 'no parked events\n']);
    });

    test('is refused with another key, and not asked over plain HTTP, without a key or at a wrong place', async () => {
      const otherKey = { SALLYPORT_RELAY_KEY: Buffer.alloc(32, 8).toString('base64') };
      const other = await run(['outbox', '--url', edge.url], otherKey);
      expect([other.code, other.out]).toEqual([1, '']);
      expect(other.err).toMatch(/^--url: the edge refuses the request; it does not know the key [\w-]{8}, .*\n$/);
      expect(await run(['outbox', '--url', 'http://edge.example'])).toMatchObject({ code: 2, out: '' });
      expect(await run(['outbox'])).toMatchObject({ code: 2, out: '' });
      const keyless = await sallyport(['edge', 'outbox', '--url', edge.url], { folder });
      expect([keyless.code, keyless.err]).toEqual([78, 'SALLYPORT_RELAY_KEY: is required, with a value of the edge\n']);
      const elsewhere = await run(['outbox', '--url', new URL(relayUrl).origin]);
      expect([elsewhere.code, elsewhere.out]).toEqual([1, '']);
    });

    test('doctor compares the keys', async () => {
      const doctor = (relayKey: string) =>
        sallyport(['doctor', '--edge', edge.url], {
          folder,
          environment: { SLACK_SIGNING_SECRET, SALLYPORT_ID_KEY, SALLYPORT_SEAL_KEY, SALLYPORT_RELAY_KEY: relayKey },
        });
      const other = Buffer.alloc(32, 8).toString('base64');
      expect((await doctor(RELAY_KEY)).out).toContain(`ok    edge: key ${relayKeys[0].id} signs; 0 of 8 shards`);
      expect((await doctor(other)).out).toMatch(/^FAIL {2}edge: --edge: the edge refuses the request/m);
    });

    test('settings are checked before a deployment', async () => {
      const settings = { SLACK_SIGNING_SECRET, SALLYPORT_ID_KEY, SALLYPORT_SEAL_KEY, SALLYPORT_RELAY_KEY: RELAY_KEY };
      const lines = (more: object) =>
        Object.entries({ ...settings, ...more })
          .map(([name, value]) => `${name}=${value}\n`)
          .join('');
      expect(await run(['check'])).toMatchObject({ code: 78, err: '.dev.vars: cannot be read\n' });
      await writeFile(join(folder, '.dev.vars'), lines({ SALLYPORT_RELAY_URL: relayUrl }));
      expect(await run(['check'])).toEqual({ code: 0, out: 'ok  channels=slack  shards=8\n', err: '' });
      await writeFile(join(folder, 'vars'), lines({ SALLYPORT_EDGE_SHARDS: 'secret-99' }));
      expect(await run(['check', '--vars', 'vars'])).toEqual({
        ...{ code: 78, out: '' },
        err: [
          'configuration is not valid:',
          '  SALLYPORT_EDGE_SHARDS: must be a whole number from 1 to 64',
          "  SALLYPORT_RELAY_URL: is required (the origin's /relay)\n",
        ].join('\n'),
      });
    });
  });
});
