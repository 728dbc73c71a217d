/**
 * A worker process that does nothing but tell the audit: `audit-child <plan as JSON>`. Started by the audit's fault test,
 * killed by it too. What the store has acknowledged it writes down.
 */
import { openSync, writeSync } from 'node:fs';
import { SallyportError } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { openRedisStore } from '../../src/queue/redis/open.ts';
import { defaultLimits } from '../../src/queue/store.ts';
import type { AuditPlan } from './audit-plan.ts';

const plan = JSON.parse(process.argv[2] ?? '') as AuditPlan;
const log = openSync(plan.acknowledged, 'a');
const common = { limits: defaultLimits, idCheck: 'check', logger: silentLogger };
const store = await ('path' in plan.store
  ? openEmbeddedStore({ ...common, ...plan.store })
  : openRedisStore({ ...common, ...plan.store, shards: 1, minReplicas: 0, allowUnsafe: false }));

async function tell(writer: number): Promise<void> {
  let acknowledged = 0;
  for (let n = 0; acknowledged < plan.each; n += 1) {
    const about = { actor: 'system', action: 'run.finished', data: { pid: process.pid } } as const;
    const subjects = [0, 1].map((part) => `${plan.name}.${writer}.${n}.${part}`);
    const entries = subjects.map((subject) => ({ ...about, subject, at: Date.now() }));
    // Eight processes may keep one from the file for the second after which it refuses; it goes on with new subjects.
    const isAcknowledged = await store.audit.append('acme', entries).then(() => true, refused);
    if (!isAcknowledged) continue;
    acknowledged += 1;
    writeSync(log, `${subjects.join('\n')}\n`);
  }
}

function refused(error: unknown): false {
  if (error instanceof SallyportError && error.code === 'ERR_STORE_UNAVAILABLE') return false;
  throw error;
}

await Promise.all(Array.from({ length: plan.writers }, (_, writer) => tell(writer)));
await store.close();
process.exit(0);
