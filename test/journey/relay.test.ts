import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startIngress } from '../../src/app/ingress.node.ts';
import { openRuntime, type Runtime } from '../../src/app/runtime.node.ts';
import { loadConfig } from '../../src/config/load.ts';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { toUtf8 } from '../../src/core/crypto/encoding.ts';
import { type RelayBatch, signRelayRequest } from '../../src/core/relay.ts';
import { wholeChain } from '../support/audit.ts';
import { createAuthority } from '../support/authority.ts';
import { createEventMaker } from '../support/events.ts';
import { describeWith } from '../support/needs.ts';
import { createRelayShard, RELAY_KEY, relayKeys } from '../support/relay.ts';

/** `/relay` as the composed product serves it, on a real port. */

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

async function serve(settings: Record<string, string> = {}): Promise<{ port: number; runtime: Runtime }> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-relay-'));
  stops.push(() => rm(folder, { recursive: true, force: true }));
  const base64 = Buffer.alloc(32, 7).toString('base64');
  const loaded = loadConfig(
    undefined,
    {
      ...{ SALLYPORT_SEAL_KEY: base64, SALLYPORT_ID_KEY: base64, LOG_LEVEL: 'silent', PORT: '0', HOST: '127.0.0.1' },
      SLACK_SIGNING_SECRET: '8f742231b10e8888abcd99yyyzzz85a5',
      SALLYPORT_DATA_DIR: folder,
      SALLYPORT_RELAY_KEY: Buffer.from(RELAY_KEY).toString('base64'),
      ...settings,
    },
    'ingress',
  );
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  const runtime = await openRuntime(loaded.config, 'ingress', false);
  const ingress = await startIngress(runtime);
  stops.push(async () => {
    await ingress.close(1_000);
    await runtime.refusals.close();
    runtime.tls?.stop();
    runtime.ready.stop();
    await runtime.clients.close(1_000);
    await runtime.store.close();
  });
  return { port: ingress.port, runtime };
}

const event = createEventMaker(Date.now);
const batchOf = (shard: ReturnType<typeof createRelayShard>): RelayBatch => shard([event({ tenant: 'default' })]);

const signed = (batch: RelayBatch, keys = relayKeys(RELAY_KEY)) => {
  const body = toUtf8(JSON.stringify(batch));
  return { method: 'POST', headers: { ...signRelayRequest(body, Date.now(), keys, nodeCrypto).headers }, body };
};

test('a batch is accepted, counted by metrics, and what is forged is in the audit', async () => {
  const { port, runtime } = await serve();
  const shard = createRelayShard();
  const batch = batchOf(shard);
  const post = async (init: RequestInit) => fetch(`http://127.0.0.1:${port}/relay`, init);
  const answer = await post(signed(batch));
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json']);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(await answer.json()).toEqual({ v: 1, results: [{ id: batch.events[0]?.event.id, outcome: 'accepted' }] });
  expect((await post(signed(batch))).status).toBe(409);
  expect((await post(signed(batchOf(shard), relayKeys(new Uint8Array(32).fill(4))))).status).toBe(401);
  const metrics = await runtime.metrics.render();
  for (const outcome of ['accepted', 'relay_replayed', 'signature_mismatch']) {
    expect(metrics).toContain(`sallyport_relay_batches_total{outcome="${outcome}"} 1\n`);
  }
  expect(metrics).toContain('sallyport_deliveries_total{channel="slack",outcome="accepted",reason=""} 1\n');
  await runtime.refusals.close();
  const entries = (await wholeChain(runtime.store)).filter(({ action }) => action.startsWith('delivery.'));
  expect(entries).toMatchObject([
    { action: 'delivery.quarantined', subject: 'relay', data: { count: 1, reasons: { relay_replayed: 1 } } },
    { action: 'delivery.forged', subject: 'relay', data: { count: 1, reasons: { signature_mismatch: 1 } } },
  ]);
});

test('a body that comes in pieces is read to its end, and one over the limit is cut', async () => {
  const { port } = await serve();
  const shard = createRelayShard();
  const large = (characters: number) =>
    fetch(
      `http://127.0.0.1:${port}/relay`,
      signed(shard([event({ tenant: 'default', text: 'x '.repeat(characters / 2) })])),
    );
  expect((await large(4_500_000)).status).toBe(200);
  // Node may end the connection before all is sent.
  expect(
    await large(6_000_000).then(
      ({ status }) => status,
      () => 413,
    ),
  ).toBe(413);
});

describeWith('openssl')('where the listener knows the authorities of clients', () => {
  test('the relay needs a certificate besides its signature, and hooks need none', async () => {
    const [server, clients, others] = [createAuthority(), createAuthority('clients'), createAuthority('others')];
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-relay-tls-'));
    stops.push(() => rm(folder, { recursive: true, force: true }));
    const { cert, key } = server.issue('gate.test');
    const files = { 'tls.crt': cert, 'tls.key': key, 'ca.crt': clients.cert };
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    const { port } = await serve({
      SALLYPORT_TLS_CERT: join(folder, 'tls.crt'),
      SALLYPORT_TLS_KEY: join(folder, 'tls.key'),
      SALLYPORT_TLS_CLIENT_CA: join(folder, 'ca.crt'),
    });
    const shard = createRelayShard();
    const post = (path: string, pair = {}, init = signed(batchOf(shard))): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const { method, headers, body } = init;
        const options = { ...pair, ca: server.cert, servername: 'gate.test', agent: false, method, headers };
        const sent = request({ ...options, host: '127.0.0.1', port, path }, (answer) => {
          answer.resume().once('end', () => resolve(answer.statusCode));
        });
        sent.once('error', reject).end(body);
      });
    expect(await post('/relay')).toBe(403);
    expect(await post('/relay', others.issue('mallory'))).toBe(403);
    expect(await post('/relay', clients.issue('edge'))).toBe(200);
    expect(await post('/relay', clients.issue('edge'), signed(batchOf(shard), relayKeys(new Uint8Array(32))))).toBe(
      401,
    );
    expect(await post('/hooks/slack/default')).toBe(401);
  });
});
