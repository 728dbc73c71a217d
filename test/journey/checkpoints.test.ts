import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { expect, test, vi } from 'vitest';
import { type ChainHead, EMPTY } from '../../src/core/audit/chain.ts';
import { type Checkpoint, checkpointText } from '../../src/core/audit/checkpoint.ts';
import { verifyChain } from '../../src/core/audit/verify.ts';
import { freshKeyPair, signerOf, verifierOf } from '../../src/core/crypto/ed25519.node.ts';
import { sha256 } from '../../src/core/crypto/sha256.node.ts';
import { SallyportError } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { startCheckpoints } from '../../src/ops/checkpoints.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { defaultLimits } from '../../src/queue/store.ts';
import { ensureBuilt } from '../support/built.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { sallyport } from '../support/command.ts';
import { testFolder } from '../support/folder.ts';

const note = { at: 1, actor: 'system', action: 'run.finished', subject: 'e', data: {} } as const;

async function open() {
  const folder = await testFolder();
  const options = { path: `${folder}/store.db`, limits: defaultLimits, idCheck: 'check', logger: silentLogger };
  const store = await openEmbeddedStore(options);
  const file = `${folder}/checkpoints`;
  const { privateKey, publicKey } = freshKeyPair();
  const start = (everyMs = 1_000) =>
    startCheckpoints({
      audit: store.audit,
      acquire: store.lease.acquire,
      tenants: ['acme', 'globex', 'initech'],
      sign: signerOf(Buffer.from(privateKey, 'base64')),
      write: (checkpoint) => appendFile(file, `${JSON.stringify(checkpoint)}\n`, { mode: 0o600 }),
      everyMs,
      clock: Date.now,
      logger: silentLogger,
      meter: silentMeter,
    });
  const lines = async (): Promise<Checkpoint[]> =>
    (await readFile(file, 'utf8').catch(() => ''))
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Checkpoint);
  return { folder, store, file, publicKey, start, lines };
}

test('one of several workers signs how each chain ends, once each time it has grown', async () => {
  const { store, publicKey, start, lines } = await open();
  await store.audit.append('acme', [note, note]);
  await store.audit.append('globex', [note]);
  const all = [start(), start(), start()];
  await vi.waitFor(async () => expect(await lines()).toHaveLength(2), { timeout: PATIENCE_MS });
  await store.audit.append('acme', [note]);
  await vi.waitFor(async () => expect(await lines()).toHaveLength(3), { timeout: PATIENCE_MS });
  await Promise.all(all.map((one) => one.close()));
  const found = await lines();
  expect(found.map(({ tenant, seq }) => [tenant, seq])).toEqual([
    ['acme', 2],
    ['globex', 1],
    ['acme', 3],
  ]);
  const isGenuine = verifierOf(publicKey);
  for (const one of found) {
    expect(isGenuine(checkpointText(one), one.signature)).toBe(true);
    expect(isGenuine(checkpointText({ ...one, seq: one.seq + 1 }), one.signature)).toBe(false);
  }
  const entries = await store.audit.read('acme', { from: 1, limit: 10 });
  const known = found.filter(({ tenant }) => tenant === 'acme');
  expect(verifyChain(entries, sha256, known)).toMatchObject({ ok: true });
  expect(verifyChain(entries.slice(0, 2), sha256, known)).toEqual({ ok: false, seq: 3, fault: 'cut-off' });
  await store.close();
});

test('audit verify with checkpoints sees a missing end, another chain, and a forged checkpoint', async () => {
  await ensureBuilt();
  const { folder, store, file, publicKey, start, lines } = await open();
  await store.audit.append('acme', [note, note, note]);
  await store.audit.append('globex', [note]);
  const one = start();
  await vi.waitFor(async () => expect(await lines()).toHaveLength(2), { timeout: PATIENCE_MS });
  await one.close();
  const entries = await store.audit.read('acme', { from: 1, limit: 10 });
  await store.close();
  const verify = (count: number, ...more: string[]) =>
    sallyport(['audit', 'verify', '-', '--checkpoints', file, ...more], {
      folder,
      environment: { SALLYPORT_AUDIT_PUBLIC_KEY: publicKey },
      input: entries
        .slice(0, count)
        .map((entry) => JSON.stringify(entry))
        .join('\n'),
    });
  expect(await verify(3)).toMatchObject({ code: 0, err: '' });
  expect(await verify(2)).toMatchObject({ code: 1, err: 'entry 3: is missing: a later entry is known\n' });
  expect(await verify(0)).toMatchObject({ code: 1 });
  await writeFile(`${folder}/none`, '');
  const bare = await verify(3, '--checkpoints', 'none');
  expect(bare).toMatchObject({ code: 0, err: 'no checkpoint is of an entry that is here\n' });
  expect(await verify(3, '--key', freshKeyPair().publicKey)).toMatchObject({
    code: 1,
    err: 'checkpoint in line 1: its signature is not of this key\n',
  });
  expect(await verify(3, '--key', 'x')).toMatchObject({ code: 2 });
  const [first] = await lines();
  await appendFile(file, `${JSON.stringify({ ...first, seq: 2 })}\n`);
  expect(await verify(2)).toMatchObject({ code: 1, err: 'checkpoint in line 3: its signature is not of this key\n' });
});

test('go on when a store was emptied, which is told once', async () => {
  const { store } = await open();
  const told: unknown[] = [];
  const signed: [number, string][] = [];
  const outcomes: string[] = [];
  const turns: string[] = [];
  const headOf = (seq: number, digit: string): ChainHead => ({ seq, hash: digit.repeat(64) });
  const heads = [headOf(3, 'a'), EMPTY, EMPTY, headOf(1, 'b'), headOf(3, 'c'), headOf(3, 'c')];
  let asked = 0;
  const one = startCheckpoints({
    audit: { head: async () => heads[Math.min(asked++, heads.length - 1)] ?? EMPTY },
    acquire: store.lease.acquire,
    tenants: ['acme'],
    sign: () => '',
    write: async ({ seq, hash }) => void signed.push([seq, hash[0] ?? '']),
    everyMs: 10,
    clock: Date.now,
    logger: { ...silentLogger, error: (line, event) => void told.push([event, line]) },
    meter: {
      ...silentMeter,
      checkpointed: (outcome) => void outcomes.push(outcome),
      checkpointsDone: () => void turns.push('done'),
    },
  });
  await vi.waitFor(() => expect(asked).toBeGreaterThan(heads.length), { timeout: PATIENCE_MS });
  await one.close();
  expect(signed).toEqual([
    [3, 'a'],
    [1, 'b'],
    [3, 'c'],
  ]);
  expect(outcomes.filter((outcome) => outcome !== 'unchanged')).toEqual(['written', 'replaced', 'written', 'written']);
  expect(turns.length).toBeGreaterThanOrEqual(heads.length);
  expect(told).toEqual([['audit.chain-replaced', { tenant: 'acme', seq: 0, lastSeq: 3 }]]);
  await store.close();
});

test('one chain that cannot be read leaves the others their checkpoints, and the turn is not done', async () => {
  const { store } = await open();
  const [signed, outcomes, told]: [string[], string[], unknown[]] = [[], [], []];
  let turns = 0;
  const one = startCheckpoints({
    audit: {
      head: async (tenant) => {
        if (tenant !== 'broken') return { seq: 1, hash: 'a'.repeat(64) };
        throw new SallyportError('ERR_STORE_UNAVAILABLE', 'away');
      },
    },
    acquire: store.lease.acquire,
    tenants: ['broken', 'acme'],
    sign: () => '',
    write: async ({ tenant }) => void signed.push(tenant),
    everyMs: 10,
    clock: Date.now,
    logger: { ...silentLogger, error: ({ code }, event) => void told.push([event, code]) },
    meter: {
      ...silentMeter,
      checkpointed: (outcome) => void outcomes.push(outcome),
      checkpointsDone: () => {
        turns += 1;
      },
    },
  });
  await vi.waitFor(() => expect(outcomes.length).toBeGreaterThan(3), { timeout: PATIENCE_MS });
  await one.close();
  expect(signed).toEqual(['acme']);
  expect(outcomes.slice(0, 4)).toEqual(['failed', 'written', 'failed', 'unchanged']);
  expect(told[0]).toEqual(['audit.checkpoint-failed', 'ERR_STORE_UNAVAILABLE']);
  expect(turns).toBe(0);
  await store.close();
});

test('closing does not wait for a store that does not answer', async () => {
  const { store } = await open();
  const closed = startCheckpoints({
    audit: store.audit,
    acquire: () => new Promise(() => {}),
    tenants: ['acme'],
    sign: () => '',
    write: async () => {},
    everyMs: 1_000,
    clock: Date.now,
    logger: silentLogger,
    meter: silentMeter,
  }).close();
  await expect(closed).resolves.toBeUndefined();
});
