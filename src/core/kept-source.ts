import * as z from 'zod';
import { errorCodes } from './errors.ts';

/** One thing of a vendor that sends us events and must be kept alive: a Graph subscription, a Gmail watch. */
export const keptSourceSchema = z.object({
  /** Readable and without secrets, e.g. `users/a@contoso.com/messages`. Unique within its task. */
  name: z.string(),
  /** `active`: the vendor sends. `failing`: it still sends, but the last renewal failed. `lapsed`: it sends nothing. */
  state: z.enum(['active', 'failing', 'lapsed']),
  /** Epoch ms at which the vendor stops sending, as the vendor said; null when nothing is known of an end. */
  expiresAt: z.number().nullable(),
  /** Epoch ms at which the vendor last sent something of it; null when it never did. */
  lastEventAt: z.number().nullable(),
  /** Epoch ms from which its silence counts. Absent: from the first report. */
  startedAt: z.number().optional(),
  /** Why it is failing or lapsed. */
  code: z.enum(errorCodes).optional(),
});
export type KeptSource = Readonly<z.output<typeof keptSourceSchema>>;

/** What a keeper found. */
export interface KeeperReport {
  readonly sources: readonly KeptSource[];
}

/** What is wrong with a source, if anything. `expiring`: nobody renewed it although its end is near. */
export type SourceAlarm = 'lapsed' | 'expiring' | 'failing' | 'silent';
export const sourceAlarms: readonly SourceAlarm[] = ['lapsed', 'expiring', 'failing', 'silent'];

/**
 * Milliseconds before its end at which a source should have been renewed long ago: Gmail watches are renewed six days
 * before, Graph subscriptions at half of their life, of which the shortest kept here is a day.
 */
const NEAR_MS = 2 * 3_600_000;

/** Every alarm of a source, the worst first. `silentAfterMs`: how long it may say nothing. */
export function alarmsOf(source: KeptSource, now: number, silentAfterMs: number): SourceAlarm[] {
  const { state, expiresAt, lastEventAt, startedAt } = source;
  if (isLapsed(source, now)) return ['lapsed'];
  const alarms: SourceAlarm[] = [];
  if (expiresAt !== null && expiresAt - now < NEAR_MS) alarms.push('expiring');
  if (state === 'failing') alarms.push('failing');
  const heardAt = lastEventAt ?? startedAt;
  if (heardAt !== undefined && now - heardAt > silentAfterMs) alarms.push('silent');
  return alarms;
}

/** True when the vendor sends nothing any more, even if nobody has looked since. */
export const isLapsed = ({ state, expiresAt }: KeptSource, now: number): boolean =>
  state === 'lapsed' || (expiresAt !== null && expiresAt <= now);
