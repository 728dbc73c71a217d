import { type ChainHead, EMPTY } from '../core/audit/chain.ts';
import { type Checkpoint, checkpointText } from '../core/audit/checkpoint.ts';
import type { Clock } from '../core/clock.ts';
import { codeOf } from '../core/errors.ts';
import { withinTime } from '../core/linked-signal.ts';
import type { Logger } from '../core/logger.ts';
import type { Audit } from '../queue/audit.ts';
import type { Lease, NamedLease } from '../queue/lease.ts';

export interface Checkpoints {
  /** Resolves when what is under way has ended, or after `STOPPING_MS`. */
  close(): Promise<void>;
}

/** With the store there, a turn and the release take some milliseconds; without it nothing is lost, in ms. */
const STOPPING_MS = 2_000;

const LEADER = 'audit-checkpoints';

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
}: {
  readonly audit: Pick<Audit, 'head'>;
  /** `Lease.acquire` */
  readonly acquire: Lease['acquire'];
  readonly tenants: readonly string[];
  readonly sign: (text: string) => string;
  /** Keeps a line somewhere the store's writers cannot change it. */
  readonly write: (checkpoint: Checkpoint) => Promise<void>;
  /** In ms. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}): Checkpoints {
  const written = new Map<string, ChainHead>();
  let lease: NamedLease | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;

  /** A leader that dies is followed by another after two intervals. */
  async function leads(): Promise<boolean> {
    if (lease !== null && (await lease.renew())) return true;
    lease = await acquire(LEADER, 2 * everyMs);
    return lease !== null;
  }
  async function writeOne(tenant: string): Promise<void> {
    const head = await audit.head(tenant);
    const last = written.get(tenant) ?? EMPTY;
    if (head.seq === last.seq && head.hash === last.hash) return;
    // Chains only grow. What is signed from here on disagrees with what was signed before, and verifying says so.
    if (head.seq <= last.seq) logger.error({ tenant, seq: head.seq, lastSeq: last.seq }, 'audit.chain-replaced');
    if (head.seq > 0) {
      const checkpoint = { tenant, ...head, at: new Date(clock()).toISOString() };
      await write({ ...checkpoint, signature: sign(checkpointText(checkpoint)) });
    }
    written.set(tenant, head);
  }
  async function turn(): Promise<void> {
    if (!(await leads())) return;
    for (const tenant of tenants) {
      if (isClosed) return;
      await writeOne(tenant);
    }
  }
  function loop(): Promise<void> {
    return turn()
      .catch((error: unknown) => logger.error({ code: codeOf(error), error }, 'audit.checkpoint-failed'))
      .then(() => {
        if (!isClosed) timer = setTimeout(() => (running = loop()), everyMs);
      });
  }
  let running = loop();
  return {
    async close() {
      isClosed = true;
      clearTimeout(timer);
      const ended = running
        .then(() => lease?.release())
        .catch(() => {
          // It runs out by itself.
        });
      // What has not ended by then runs out by itself.
      await withinTime(STOPPING_MS, undefined, () => ended).catch(() => {});
    },
  };
}
