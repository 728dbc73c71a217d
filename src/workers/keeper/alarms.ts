import { alarmsOf, type KeptSource } from '../../core/kept-source.ts';
import type { Logger } from '../../core/logger.ts';

/** A standing alarm is repeated this often, in ms: a log that is read once a day must hold it. */
const REPEAT_MS = 6 * 3_600_000;

export interface AlarmedTask {
  readonly tenant: string;
  readonly channel: string;
}

/** Says what is wrong with a source when it begins, now and then while it lasts, and when it has ended. */
export type Watch = (task: AlarmedTask, sources: readonly KeptSource[], now: number) => void;

export function createWatch(logger: Logger, silentAfterMs: number): Watch {
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
