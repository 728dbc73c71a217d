import type { Log } from '../ops/log.ts';
import type { Runtime } from './runtime.node.ts';

/** Something a role started and must stop. */
export interface Stoppable {
  close(graceMs: number): Promise<void>;
}

/** What remains of the grace period for closing the store and writing the log, in ms. */
const CLOSING_MS = 1_000;

/** How long sending what is left of traces may take, in ms: less than `CLOSING_MS`, as it begins after all else has stopped. */
const TRACES_MS = 750;

/** How long abandoned requests may take to end, in ms. */
const CUTTING_MS = 250;

/**
 * npm and timeout(1) pass on a signal that the terminal or they themselves sent to the whole process group: it comes
 * twice, milliseconds apart. A person's second Ctrl-C takes longer.
 */
const ECHO_MS = 250;

/**
 * Resolves once a signal came and everything has stopped in order: stop accepting, finish or give back what runs, close
 * the store, write the log. A second signal, or the end of the grace period, ends the process at once.
 */
export async function runUntilSignal(runtime: Runtime, parts: readonly Stoppable[]): Promise<void> {
  const { clients, log, config, drain, ready, refusals, store, tls, tracing } = runtime;
  crashInto(log);
  await new Promise<void>((resolve) => {
    let stoppingSince = 0;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (drain.signal.aborted) {
        if (performance.now() - stoppingSince < ECHO_MS) return;
        log.flush();
        process.exit(1);
      }
      stoppingSince = performance.now();
      log.info({ signal, graceMs: config.server.grace }, 'process.stopping');
      drain.abort();
      resolve();
    };
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  });
  setTimeout(() => {
    log.error({}, 'process.grace-exceeded');
    log.flush();
    process.exit(1);
  }, config.server.grace).unref();
  const graceMs = Math.max(0, config.server.grace - CLOSING_MS);
  await Promise.all(parts.map((part) => part.close(graceMs)));
  ready.stop();
  tls?.stop();
  const traced = tracing.close(TRACES_MS);
  await clients.close(CUTTING_MS);
  await refusals.close();
  await store.close();
  await traced;
  log.info({}, 'process.stopped');
  log.flush();
}

/**
 * From here on errors go to the log and not to the command line. The state of the process is unknown after an uncaught error,
 * and everything accepted is in the store, so the process ends.
 */
function crashInto(log: Log): void {
  const crash = (error: unknown): never => {
    log.error({ error }, 'process.crashed');
    log.flush();
    process.exit(1);
  };
  for (const event of ['uncaughtException', 'unhandledRejection']) process.removeAllListeners(event).on(event, crash);
}
