import type { AuditNote, RecordAudit, TallyRefusal } from '../../core/audit/entry.ts';
import { reasonOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Meter } from '../../core/meter.ts';
import type { ApiGuard } from '../limits/api-guard.ts';

/** A token that was refused. The caller learns none of it. */
export interface RefusedToken {
  /** What was called. */
  readonly surface: 'api' | 'metrics';
  /** A code without `ERR_`, in lower case: `token_expired`. */
  readonly reason: string;
  /** The address the request came from. */
  readonly source?: string;
  /** Whose it is, where the signature was good (it is revoked, for another tenant, or for too long). */
  readonly verified?: { readonly subject: string; readonly tenant: string };
}

/**
 * Every refused token passes here, and nothing else does.
 * @throws SallyportError ERR_RATE_LIMITED, ERR_STORE_UNAVAILABLE: to answer that instead
 */
export type TokenRefused = (refused: RefusedToken) => Promise<void>;

/** No token was given: nothing has failed. */
const MISSING = reasonOf('ERR_TOKEN_MISSING');
/** Its time is looked at after its signature. */
const EXPIRED = reasonOf('ERR_TOKEN_EXPIRED');

export const createTokenRefused =
  ({
    meter,
    logger,
    tally,
    tenants,
    guard,
  }: {
    readonly meter: Meter;
    readonly logger: Logger;
    readonly tally: TallyRefusal;
    /** Of the configuration. */
    readonly tenants: readonly string[];
    readonly guard: Pick<ApiGuard, 'countRefused'>;
  }): TokenRefused =>
  async ({ surface, reason, source, verified }) => {
    meter.refused(surface, reason);
    // What a token says of its tenant is not believed before its signature is; with one tenant it can only be that one.
    const tenant = verified?.tenant ?? (tenants.length === 1 ? tenants[0] : undefined);
    if (tenant !== undefined && reason !== 'token_missing') {
      tally(tenant, { action: 'token.refused', subject: surface, reason });
    }
    logger.warn({ surface, reason, source, ...verified }, 'token.refused');
    if (source !== undefined && reason !== MISSING) await guard.countRefused(source, verified, reason === EXPIRED);
  };

/** Notes that are remembered at most. */
const MAX_KNOWN = 10_000;

/**
 * Puts a note into the audit, or leaves it out where the same one is there already.
 * @throws SallyportError ERR_STORE_UNAVAILABLE: what the note is about must not happen then
 */
export type TellOnce = (tenant: string, note: AuditNote) => Promise<void>;

/** Tells the same note once in `onceMs`, in this process: a token must not decide how fast the audit grows. */
function createTellOnce(audit: RecordAudit, onceMs: number): TellOnce {
  const known = new Map<string, { readonly at: number; readonly written: Promise<void> }>();
  return async (tenant, note) => {
    const kind = JSON.stringify([tenant, note]);
    const now = performance.now();
    const before = known.get(kind);
    // Who comes while it is being written waits as well: nothing happens that is not in the audit.
    if (before !== undefined && now - before.at < onceMs) return before.written;
    if (known.size >= MAX_KNOWN) known.clear();
    const written = audit(tenant, [note]);
    known.set(kind, { at: now, written });
    try {
      await written;
    } catch (error) {
      known.delete(kind);
      throw error;
    }
  };
}

/** A minute, in ms. */
const REFUSED_ONCE_MS = 60_000;

/** Puts into the audit that a token's holder wanted what he may not do. */
export const createRefusals = (audit: RecordAudit): TellOnce => createTellOnce(audit, REFUSED_ONCE_MS);

/** An hour, in ms. */
const READ_ONCE_MS = 3_600_000;

/**
 * Puts into the audit that the holder of a token is about to be shown what people or agents wrote: in an event, by its id,
 * or in a list, by its name.
 * @throws SallyportError ERR_STORE_UNAVAILABLE: it must not be shown then
 */
export type TellRead = (tenant: string, by: string, what: string) => Promise<void>;

export function createContentReads(audit: RecordAudit): TellRead {
  const tell = createTellOnce(audit, READ_ONCE_MS);
  return (tenant, by, what) => tell(tenant, { actor: `user:${by}`, action: 'content.read', subject: what, data: {} });
}
