import type { Log } from '../ops/log.ts';

/**
 * From here on the log has the last word, and not the command line. State is unknown after an error nobody caught.
 * Whatever ran is safe in the store, so ending is the safe thing.
 */
export function crashInto(log: Log): void {
  const crash = (error: unknown): never => {
    log.error({ error }, 'process.crashed');
    log.flush();
    process.exit(1);
  };
  for (const event of ['uncaughtException', 'unhandledRejection']) process.removeAllListeners(event).on(event, crash);
}
