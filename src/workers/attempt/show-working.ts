import type { Replier, WorkingContext } from '../../channels/channel.ts';
import type { EventRecord } from '../../core/event.ts';
import { withinTime } from '../../net/within-time.ts';

/** Most answers are there by then, and nobody has begun to wonder, in ms. */
const SHOW_AFTER_MS = 700;

/** With the wait before it below the two seconds after which people ask again. An answer that comes waits for the rest. */
const SHOWING_MS = 1_000;

/**
 * Does the work, and lets the channel show that it is being done once it takes long. The sign is over before this
 * settles, so that it never follows the reply; whatever goes wrong with it concerns nobody.
 */
export async function showingWork<T>(
  work: () => Promise<T>,
  { event }: EventRecord,
  replier: Replier,
  signal: AbortSignal,
): Promise<T> {
  const { tenant, id: eventId, destination, sealed } = event;
  const context: WorkingContext = { tenant, eventId, destination, sealed, signal };
  let showing: Promise<unknown> = Promise.resolve();
  const timer = setTimeout(() => {
    showing = withinTime(SHOWING_MS, signal, (ended) => replier.showWorking?.({ ...context, signal: ended })).catch(
      () => {},
    );
  }, SHOW_AFTER_MS);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    await showing;
  }
}
