import type { KeeperTask } from '../../channels/channel.ts';
import type { Clock } from '../../core/clock.ts';
import { defined } from '../../core/defined.ts';
import { codeOf } from '../../core/errors.ts';
import { alarmsOf, type KeptSource } from '../../core/kept-source.ts';
import { linkSignals } from '../../core/linked-signal.ts';
import type { Logger } from '../../core/logger.ts';
import { type Leader, startLeader } from '../../queue/leader.node.ts';
import type { Lease } from '../../queue/lease.ts';
import { createKeeperReports } from '../../queue/records/keeper-reports.ts';
import type { Records } from '../../queue/records.ts';

/** A person waits for `subscriptions sync`. */
const POLL_MS = 2_000;

/** A run that takes longer is stopped: the next one goes on where it was. In ms. */
const RUN_MS = 10 * 60_000;

/**
 * Keeps sources alive: of all workers that call this, one leads and runs the tasks. The first look is at once, because
 * whoever starts a worker waits for its subscriptions.
 */
export function startKeeper({
  acquire,
  records,
  tasks,
  clock,
  everyMs,
  silentAfterMs,
  logger,
  pollMs = POLL_MS,
  leaseMs,
}: {
  /** `Lease.acquire` */
  readonly acquire: Lease['acquire'];
  readonly records: Records;
  readonly tasks: readonly KeeperTask[];
  readonly clock: Clock;
  /** How often each task runs, in ms. */
  readonly everyMs: number;
  /** A source that has said nothing for this long is reported, in ms. */
  readonly silentAfterMs: number;
  readonly logger: Logger;
  /** How often wishes for a run are looked for, in ms. Default 2 s. */
  readonly pollMs?: number;
  /** Life of the leader's lease without renewal, in ms. Default 30 s. */
  readonly leaseMs?: number;
}): Leader {
  const reports = createKeeperReports(records);
  const watch = createWatch(logger, silentAfterMs);
  /** By task, epoch ms at which it last began. */
  const lastRuns = new Map<string, number>();

  const runTask = async (task: KeeperTask, signal: AbortSignal): Promise<void> => {
    const { name, tenant, channel } = task;
    const at = clock();
    lastRuns.set(name, at);
    const limited = linkSignals([signal], { ms: RUN_MS });
    try {
      const { sources } = await task.run(limited.signal);
      if (signal.aborted) return;
      await reports.write(tenant, name, { channel, at, sources });
      watch(task, sources, clock());
    } catch (error) {
      if (signal.aborted) return;
      logger.warn({ tenant, channel, code: codeOf(error), error }, 'keeper.task-failed');
    } finally {
      limited.release();
    }
  };

  const runDue = async (signal: AbortSignal): Promise<void> => {
    await Promise.all(
      tasks.map(async (task) => {
        const lastRun = lastRuns.get(task.name);
        const isDue = lastRun === undefined || clock() - lastRun >= everyMs;
        // What was wished for before the last run began has been done.
        if (!isDue && (await reports.syncRequestedAt(task.tenant)) <= lastRun) return;
        if (!signal.aborted) await runTask(task, signal);
      }),
    );
  };

  // The lease is left to workers that have tasks.
  if (tasks.length === 0) return { close: async () => {} };
  return startLeader({
    acquire,
    name: 'keeper',
    everyMs: pollMs,
    ...defined({ leaseMs }),
    async turn(signal, isNew) {
      if (isNew) lastRuns.clear();
      await runDue(signal);
    },
    // The store is away: `/ready` says so, and the next look comes.
    onError: (error) => logger.warn({ code: codeOf(error) }, 'keeper.failed'),
  });
}

/** A standing alarm is repeated this often, in ms: a log that is read once a day must hold it. */
const REPEAT_MS = 6 * 3_600_000;

interface AlarmedTask {
  readonly tenant: string;
  readonly channel: string;
}

/** Says what is wrong with a source when it begins, now and then while it lasts, and when it has ended. */
type Watch = (task: AlarmedTask, sources: readonly KeptSource[], now: number) => void;

function createWatch(logger: Logger, silentAfterMs: number): Watch {
  const standing = new Map<string, number>();
  return (task, sources, now) => {
    for (const source of sources) {
      const raised = new Set(alarmsOf(source, now, silentAfterMs).map((alarm) => keyOf(task, source, alarm)));
      for (const [key, saidAt] of standing) {
        if (!key.startsWith(keyOf(task, source, '')) || raised.has(key)) continue;
        standing.delete(key);
        logger.info({ ...fields(task, source), alarm: alarmIn(key), forMs: now - saidAt }, 'source.recovered');
      }
      for (const key of raised) {
        const saidAt = standing.get(key);
        if (saidAt !== undefined && now - saidAt < REPEAT_MS) continue;
        standing.set(key, now);
        logger.warn({ ...fields(task, source), alarm: alarmIn(key) }, 'source.alarm');
      }
    }
  };
}

const keyOf = ({ tenant, channel }: AlarmedTask, { name }: KeptSource, alarm: string): string =>
  JSON.stringify([tenant, channel, name]) + alarm;

const alarmIn = (key: string): string => key.slice(key.lastIndexOf(']') + 1);

const fields = ({ tenant, channel }: AlarmedTask, { name, state, expiresAt, lastEventAt, code }: KeptSource) => ({
  tenant,
  channel,
  source: name,
  state,
  expiresAt: expiresAt === null ? undefined : new Date(expiresAt).toISOString(),
  lastEventAt: lastEventAt === null ? undefined : new Date(lastEventAt).toISOString(),
  code,
});
