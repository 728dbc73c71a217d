import { appendFile } from 'node:fs/promises';
import type { Checkpoint } from '../core/audit/checkpoint.ts';
import { signerOf } from '../core/crypto/ed25519.node.ts';
import { SallyportError } from '../core/errors.ts';
import type { GuardedFetch } from '../net/guarded-fetch.ts';
import { type Checkpoints, startCheckpoints } from '../ops/checkpoints.ts';
import type { Runtime } from './runtime.node.ts';

/** Signed checkpoints of the audit, where they are configured. */
export function startCheckpointsOf({ clients, config, store, log: logger }: Runtime): Checkpoints | null {
  const { key, checkpoints: target, every: everyMs } = config.audit;
  if (key === undefined || target === undefined) return null;
  return startCheckpoints({
    audit: store.audit,
    acquire: (name, ttlMs) => store.lease.acquire(name, ttlMs),
    tenants: Object.keys(config.tenants),
    sign: signerOf(key),
    write: /^https?:/.test(target) ? postTo(target, clients.open('checkpoint', [target]).request) : appendTo(target),
    everyMs,
    clock: Date.now,
    logger,
  });
}

const appendTo = (path: string) => (checkpoint: Checkpoint) =>
  appendFile(path, `${JSON.stringify(checkpoint)}\n`, { mode: 0o600 });

function postTo(url: string, fetch: GuardedFetch): (checkpoint: Checkpoint) => Promise<void> {
  return async (checkpoint) => {
    const headers = { 'content-type': 'application/json' };
    const { status } = await fetch(url, { method: 'POST', headers, body: JSON.stringify(checkpoint) });
    if (status < 200 || status > 299) throw new SallyportError('ERR_OUTBOUND_FAILED', 'the checkpoint was not taken');
  };
}
