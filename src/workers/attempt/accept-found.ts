import type { ParsedEvent } from '../../channels/channel.ts';
import { SallyportError } from '../../core/errors.ts';
import type { InboundEvent } from '../../core/event.ts';
import type { Inbox } from '../../queue/inbox.ts';

export interface AcceptFoundDeps {
  readonly inbox: Inbox;
  /** Cleans and seals events; the same step deliveries pass. */
  readonly prepare: (events: readonly ParsedEvent[]) => readonly InboundEvent[];
}

/** Accepts what a reader or the keeper found at a vendor. @throws SallyportError ERR_QUEUE_FULL, ERR_STORE_UNAVAILABLE */
export const createAcceptFound =
  ({ inbox, prepare }: AcceptFoundDeps) =>
  async (found: readonly ParsedEvent[]): Promise<void> => {
    const outcomes = await inbox.accept(prepare(found));
    if (outcomes.some(({ outcome }) => outcome === 'full')) {
      throw new SallyportError('ERR_QUEUE_FULL', 'too many events of this tenant are waiting');
    }
  };
