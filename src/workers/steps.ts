import type { Clock } from '../core/clock.ts';
import { SallyportError } from '../core/errors.ts';
import type { JsonValue } from '../core/json/json-text.ts';
import type { Journal, JournalEntry } from '../queue/journal.ts';
import type { HeldLease } from '../queue/lease.ts';

/** The journalled steps of an event: what one attempt recorded, the next does not repeat. */
export interface Steps {
  /** What was recorded of a step, by earlier attempts or by this one. */
  earlier(step: string): JournalEntry | undefined;
  /**
   * Records a step under the lease, and holds the lease for at least `holdMs` (0 unless given), so that nobody else
   * begins before an effect that starts now has ended.
   * @throws SallyportError ERR_LEASE_LOST: do not act; ERR_STORE_UNAVAILABLE; ERR_REPLICAS_MISSING: an intent that too few
   * replicas have stands in the journal
   */
  record(
    step: string,
    entry: { readonly kind: JournalEntry['kind']; readonly value: JsonValue },
    holdMs?: number,
  ): Promise<void>;
}

/** Reads what the event's attempts have recorded so far. @throws SallyportError ERR_STORE_UNAVAILABLE */
export async function openSteps({
  journal,
  lease,
  clock,
}: {
  readonly journal: Journal;
  readonly lease: HeldLease;
  readonly clock: Clock;
}): Promise<Steps> {
  const entries = new Map(await journal.replay(lease));
  return {
    earlier: (step) => entries.get(step),
    async record(step, entry, holdMs = 0) {
      if (!(await journal.record(lease, step, entry, holdMs))) {
        throw new SallyportError('ERR_LEASE_LOST', 'another worker has the conversation');
      }
      entries.set(step, { ...entry, at: clock() });
    },
  };
}
