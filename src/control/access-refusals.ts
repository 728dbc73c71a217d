import type { RecordAudit } from '../core/audit.ts';

/** One entry for so long, in ms, whatever its holder tries: a token must not decide how fast the audit grows. */
const ONCE_MS = 60_000;
/** Refusals that are remembered at most. */
const MAX_KNOWN = 10_000;

interface Holder {
  readonly tenant: string;
  readonly subject: string;
}

/** Puts into the audit that a token's holder wanted what the token does not allow. */
export function createAccessRefusals(audit: RecordAudit): (who: Holder, scope: string) => Promise<void> {
  const known = new Map<string, number>();
  return async ({ tenant, subject }, scope) => {
    const kind = JSON.stringify([tenant, subject, scope]);
    const now = performance.now();
    if (now - (known.get(kind) ?? Number.NEGATIVE_INFINITY) < ONCE_MS) return;
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(kind, now);
    try {
      await audit(tenant, [{ actor: `user:${subject}`, action: 'access.refused', subject: scope, data: {} }]);
    } catch (error) {
      known.delete(kind);
      throw error;
    }
  };
}
