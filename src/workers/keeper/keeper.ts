import type { KeeperTask } from '../../channels/channel.ts';
import type { Clock } from '../../core/clock.ts';
import { codeOf } from '../../core/errors.ts';
import { alarmsOf, type KeptSource } from '../../core/kept-source.ts';
import { linkSignals } from '../../core/linked-signal.ts';
import type { Logger } from '../../core/logger.ts';
import type { Lease, NamedLease } from '../../queue/lease.ts';
import { createKeeperReports } from '../../queue/records/keeper-reports.ts';
import type { Records } from '../../queue/records.ts';

export interface Keeper {
  /** Stops what runs and gives the leadership to another worker. */
  close(): Promise<void>;
}

/** A person waits for `subscriptions sync`. */
const POLL_MS = 2_000;

/** A run that takes longer is stopped: the next one goes on where it was. In ms. */
const RUN_MS = 10 * 60_000;

const LEADER = 'keeper';

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
  leaseMs = LEADER_MS,
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
}): Keeper {
  const leadership = createLeadership(acquire, LEADER, leaseMs);
  const stopping = new AbortController();
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

  const look = async (): Promise<void> => {
    const lost = await leadership.claim();
    if (lost === null) {
      lastRuns.clear();
      return;
    }
    const { signal, release } = linkSignals([lost, stopping.signal]);
    await runDue(signal).finally(release);
  };
  let timer: NodeJS.Timeout | undefined;
  const loop = async (): Promise<void> => {
    // The store is away: `/ready` says so, and the next look comes.
    await look().catch((error: unknown) => logger.warn({ code: codeOf(error) }, 'keeper.failed'));
    if (!stopping.signal.aborted) timer = setTimeout(() => (running = loop()), pollMs);
  };
  let running = tasks.length === 0 ? Promise.resolve() : loop();
  return {
    async close() {
      stopping.abort();
      clearTimeout(timer);
      await running;
      await leadership.release().catch(() => {
        // The lease runs out by itself.
      });
    },
  };
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

/** Life of the leader's lease without renewal, in ms: so long sources are without a keeper when a worker dies. */
const LEADER_MS = 30_000;

/** The right to keep sources, held by one worker at a time. */
interface Leadership {
  /**
   * A signal that is aborted when the right is lost, or null when another worker has it. @throws SallyportError
   * ERR_STORE_UNAVAILABLE
   */
  claim(): Promise<AbortSignal | null>;
  /** Gives it back, so that another worker need not wait. */
  release(): Promise<void>;
}

interface Held {
  readonly lease: NamedLease;
  readonly lost: AbortController;
  readonly timer: NodeJS.Timeout;
  goodAt: number;
}

function createLeadership(acquire: Lease['acquire'], name: string, ttlMs: number): Leadership {
  let held: Held | null = null;

  const lose = (one: Held): void => {
    clearInterval(one.timer);
    one.lost.abort();
    if (held === one) held = null;
  };

  /** A beat that fails is no proof of loss; a lease life without a good one is. */
  const beat = (one: Held): void => {
    const sentAt = performance.now();
    one.lease.renew().then(
      (isOurs) => {
        if (isOurs) one.goodAt = sentAt;
        else lose(one);
      },
      () => {
        if (performance.now() - one.goodAt >= ttlMs) lose(one);
      },
    );
  };

  return {
    async claim() {
      if (held !== null) return held.lost.signal;
      const goodAt = performance.now();
      const lease = await acquire(name, ttlMs);
      if (lease === null) return null;
      const timer = setInterval(() => beat(one), ttlMs / 3);
      timer.unref();
      const one: Held = { lease, lost: new AbortController(), timer, goodAt };
      held = one;
      return one.lost.signal;
    },
    async release() {
      const one = held;
      if (one === null) return;
      lose(one);
      await one.lease.release();
    },
  };
}
