import { SallyportError } from '../core/errors.ts';
import type { Store } from '../queue/store.ts';

/**
 * Accepts nothing into a store whose durability has not been seen: before the first good check, and again after a check
 * that found it unsafe. A store that is merely away fails by itself.
 */
export function guardStore(store: Store): { readonly store: Store; readonly probe: () => Promise<void> } {
  let isSafe = false;
  const probe = async (): Promise<void> => {
    try {
      await store.check();
      isSafe = true;
    } catch (error) {
      if (!(error instanceof SallyportError) || error.code !== 'ERR_STORE_UNAVAILABLE') isSafe = false;
      throw error;
    }
  };
  const accept: Store['inbox']['accept'] = async (events) => {
    if (!isSafe) throw new SallyportError('ERR_STORE_UNAVAILABLE', 'the store has not been found durable');
    return store.inbox.accept(events);
  };
  return { store: { ...store, inbox: { accept } }, probe };
}
