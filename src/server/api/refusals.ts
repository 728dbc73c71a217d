import type { AuditNote, RecordAudit } from '../../core/audit/entry.ts';

/** One entry for so long, in ms, however often it is tried: a token must not decide how fast the audit grows. */
const ONCE_MS = 60_000;
/** Refusals that are remembered at most. */
const MAX_KNOWN = 10_000;

/**
 * Puts into the audit that a token's holder wanted what he may not do.
 * @throws SallyportError ERR_STORE_UNAVAILABLE
 */
export type TellRefusal = (tenant: string, note: AuditNote) => Promise<void>;

export function createRefusals(audit: RecordAudit): TellRefusal {
  const known = new Map<string, number>();
  return async (tenant, note) => {
    const kind = JSON.stringify([tenant, note]);
    const now = performance.now();
    if (now - (known.get(kind) ?? Number.NEGATIVE_INFINITY) < ONCE_MS) return;
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(kind, now);
    try {
      await audit(tenant, [note]);
    } catch (error) {
      known.delete(kind);
      throw error;
    }
  };
}
