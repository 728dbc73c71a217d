import { beforeEach, expect, test } from 'vitest';
import { sha256 } from '../../../src/core/crypto/sha256.node.ts';
import type { JsonObject } from '../../../src/core/json/json-text.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { openEmbeddedStore } from '../../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../../src/queue/store.ts';
import { auditOver, wholeChain } from '../../support/audit.ts';
import { testFolder } from '../../support/folder.ts';

let store: Store;

beforeEach(async () => {
  const path = `${await testFolder()}/store.db`;
  store = await openEmbeddedStore({ path, limits: defaultLimits, idCheck: 'check', logger: silentLogger });
  return () => store.close();
});

async function kept(...all: readonly JsonObject[]): Promise<JsonObject[]> {
  const audit = auditOver(store);
  for (const data of all) await audit('acme', [{ actor: 'system', action: 'guardrail.refused', subject: 'e', data }]);
  return (await wholeChain(store, 'acme')).map(({ data }) => data);
}

test('what looks like a note that was clean is cleaned: only figures of their own may differ', async () => {
  const [first, second, third] = await kept(
    { reason: 'password:1, no' },
    { reason: 'password:48151623, no' },
    { reason: '"password":48151623, no' },
  );
  expect(first).toEqual({ reason: 'password:1, no' });
  expect(second?.reason).toMatch(/^password:\[secret:password#[0-9a-f]{4}\], no$/);
  expect(JSON.stringify(third)).not.toContain('48151623');
});

test('figures and ids of ours stay what they are', async () => {
  const notes = [1, 2].map((run) => ({
    run,
    of: `ev_${String(run).padStart(26, '0')}`,
    argumentsSha256: sha256(String(run)),
    usage: { usdMicros: run * 1e6 },
  }));
  expect(await kept(...notes)).toEqual(notes);
});

test('what is too large is cut, with a note, and a value told in one place is hidden in all', async () => {
  const [long, told] = await kept(
    { reason: 'word '.repeat(60_000), code: 'x' },
    { reason: 'the password is Blue-Harbor-42x, they said', more: ['Blue-Harbor-42x'] },
  );
  expect(String(long?.reason)).toMatch(/\[cut: the whole text has 300000 characters\]$/);
  expect(JSON.stringify(long).length).toBeLessThan(66 * 1024);
  expect(long?.code).toBe('x');
  expect(JSON.stringify(told)).not.toContain('Blue-Harbor-42x');
});
