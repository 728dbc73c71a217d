import { expect } from 'vitest';
import type { AuditEntry } from '../../src/core/audit/chain.ts';
import type { RecordAudit } from '../../src/core/audit/entry.ts';
import { verifyChain } from '../../src/core/audit/verify.ts';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { sha256 } from '../../src/core/crypto/sha256.node.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { createAudit } from '../../src/ops/audit.ts';
import type { Store } from '../../src/queue/store.ts';
import { createScrubber } from '../../src/scrub/scrubber.ts';

const scrub = createScrubber({ crypto: nodeCrypto, key: new Uint8Array(32).fill(7) });

/** The product's way into the audit, over a store of a test. */
export const auditOver = (store: Pick<Store, 'audit'>, clock: () => number = Date.now): RecordAudit =>
  createAudit({ store: store.audit, scrub, clock, logger: silentLogger, meter: silentMeter });

/** A tenant's whole chain, which must verify. */
export async function wholeChain(store: Pick<Store, 'audit'>, tenant = 'default'): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for (let from = 1, size = 1; size > 0; from = entries.length + 1) {
    const page = await store.audit.read(tenant, { from, limit: 1_000 });
    size = page.length;
    entries.push(...page);
  }
  expect(verifyChain(entries, sha256, [await store.audit.head(tenant)])).toMatchObject({ ok: true });
  return entries;
}
