import type { ChannelName } from '../core/event.ts';
import type { KeeperReport } from '../core/kept-source.ts';

/**
 * Keeps one channel's sources of one tenant alive. The keeper runs it every minute or so on one worker at a time, so a
 * run does only what is due. It is repeatable: a worker that died may have got anywhere, and after a lost lease two may
 * overlap for a moment.
 */
export interface KeeperTask {
  /** Unique over all tasks, e.g. `graph/default`. */
  readonly name: string;
  readonly tenant: string;
  readonly channel: ChannelName;
  /**
   * Aborted when another worker leads or this one stops. Failures of single sources belong into the report.
   * @throws SallyportError when nothing can be said about any source
   */
  run(signal: AbortSignal): Promise<KeeperReport>;
}
