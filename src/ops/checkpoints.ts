import { type ChainHead, EMPTY } from '../core/audit/chain.ts';
import { type Checkpoint, checkpointText } from '../core/audit/checkpoint.ts';
import type { Clock } from '../core/clock.ts';
import { codeOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Meter } from '../core/meter.ts';
import type { Audit } from '../queue/audit.ts';
import { type Leader, startLeader } from '../queue/leader.node.ts';
import type { Lease } from '../queue/lease.ts';

/** Of all workers that call this, one leads and says every so often how each tenant's chain ends, where it has grown. */
export function startCheckpoints({
  audit,
  acquire,
  tenants,
  sign,
  write,
  everyMs,
  clock,
  logger,
  meter,
}: {
  readonly audit: Pick<Audit, 'head'>;
  /** `Lease.acquire` */
  readonly acquire: Lease['acquire'];
  readonly tenants: readonly string[];
  readonly sign: (text: string) => string;
  /** Keeps a line somewhere the store's writers cannot change it. The signal aborts when another worker leads. */
  readonly write: (checkpoint: Checkpoint, signal: AbortSignal) => Promise<void>;
  /** In ms. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
}): Leader {
  const written = new Map<string, ChainHead>();

  async function writeOne(tenant: string, signal: AbortSignal): Promise<void> {
    const head = await audit.head(tenant);
    signal.throwIfAborted();
    const last = written.get(tenant) ?? EMPTY;
    if (head.seq === last.seq && head.hash === last.hash) {
      meter.checkpointed('unchanged');
      return;
    }
    // Chains only grow. What is signed from here on disagrees with what was signed before, and verifying says so.
    const isReplaced = head.seq <= last.seq;
    if (isReplaced) logger.error({ tenant, seq: head.seq, lastSeq: last.seq }, 'audit.chain-replaced');
    if (head.seq > 0) {
      const checkpoint = { tenant, ...head, at: new Date(clock()).toISOString() };
      await write({ ...checkpoint, signature: sign(checkpointText(checkpoint)) }, signal);
    }
    meter.checkpointed(isReplaced ? 'replaced' : 'written');
    written.set(tenant, head);
  }

  const failed = (error: unknown): void => logger.error({ code: codeOf(error), error }, 'audit.checkpoint-failed');

  return startLeader({
    acquire,
    name: 'audit-checkpoints',
    everyMs,
    async turn(signal) {
      let isDone = true;
      for (const tenant of tenants) {
        try {
          await writeOne(tenant, signal);
        } catch (error) {
          // One chain that cannot be read or kept leaves the others their checkpoints.
          signal.throwIfAborted();
          meter.checkpointed('failed');
          failed(error);
          isDone = false;
        }
      }
      if (isDone) meter.checkpointsDone();
    },
    // Of the lease: no chain was looked at.
    onError: failed,
  });
}
