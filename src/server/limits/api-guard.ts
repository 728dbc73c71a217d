import { SallyportError } from '../../core/errors.ts';
import type { Identifier } from '../../core/identity.ts';
import type { Rate } from '../../core/rate.ts';
import type { Limits } from '../../queue/limits.ts';

/** Limits those who call the API. Nothing passes that cannot be counted. */
export interface ApiGuard {
  /**
   * Counts a request of a verified caller.
   * @throws SallyportError ERR_RATE_LIMITED with `retryAfterMs`, ERR_STORE_UNAVAILABLE
   */
  admitCaller(tenant: string, subject: string): Promise<void>;
}

export function createApiGuard({
  limits,
  digest,
  rate,
}: {
  readonly limits: Limits;
  readonly digest: Identifier['digest'];
  /** Requests of one subject. */
  readonly rate: Rate;
}): ApiGuard {
  return {
    async admitCaller(tenant, subject) {
      refuseFor(await limits.take(digest('caller', [tenant, subject]), rate), 'too many requests of this subject');
    },
  };
}

function refuseFor(retryAfterMs: number, message: string): void {
  if (retryAfterMs > 0) throw new SallyportError('ERR_RATE_LIMITED', message, { retryAfterMs });
}
