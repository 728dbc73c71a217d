import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import type { RecordAudit } from '../core/audit/entry.ts';
import { SallyportError } from '../core/errors.ts';
import type { Lease } from '../queue/lease.ts';
import { createCollection } from '../queue/records/collection.ts';
import type { Records } from '../queue/records.ts';

/** The digest of each setting's value, under a key, by the setting's place (`tenants.acme.slack.botToken`). */
export type SettingDigests = ReadonlyMap<string, string>;

/** Names of settings in an entry; the others are counted. */
const MAX_NAMED = 100;
/** One process writes at a time; its work takes some milliseconds, in ms. */
const HOLD_MS = 10_000;
/** Pause between two tries to be that process, in ms. */
const PAUSE_MS = 100;

const stored = z.record(z.string(), z.string());

/**
 * Puts into each tenant's audit how the configuration differs from what the last process of this role, or another role
 * since, was started with: sections with a digest of all their settings, and the names of the settings that changed; never
 * values. Nothing when nothing did, so there is one entry for a change however many processes start with it.
 * @throws SallyportError ERR_STORE_UNAVAILABLE
 */
export async function recordConfiguration({
  role,
  tenants,
  settingsOf,
  digest,
  audit,
  records,
  acquire,
}: {
  readonly role: string;
  readonly tenants: readonly string[];
  /** The settings that concern a tenant: those of the installation and its own. */
  readonly settingsOf: (tenant: string) => SettingDigests;
  readonly digest: (parts: readonly string[]) => string;
  readonly audit: RecordAudit;
  readonly records: Records;
  readonly acquire: Lease['acquire'];
}): Promise<void> {
  const roles = createCollection(records, 'configuration', stored);
  const read = async (tenant: string) => compare(settingsOf(tenant), role, (await roles.list(tenant)).records);
  for (const tenant of tenants) {
    if ((await read(tenant)).isRecorded) continue;
    await holding(acquire, `configuration:${tenant}`, async () => {
      const settings = settingsOf(tenant);
      const { changed, isFirst, isTold } = await read(tenant);
      const sections = [...new Set(changed.map(sectionOf))].sort();
      const data = {
        role,
        sections: Object.fromEntries(sections.map((name) => [name, digest(digestsOf(settings, name))])),
        ...(isFirst ? { first: true } : { settings: changed.slice(0, MAX_NAMED) }),
        ...(isFirst || changed.length <= MAX_NAMED ? {} : { more: changed.length - MAX_NAMED }),
      };
      if (!isTold) await audit(tenant, [{ actor: 'system', action: 'configuration.changed', subject: tenant, data }]);
      await roles.replace(tenant, role, Object.fromEntries(settings));
    });
  }
}

interface Comparison {
  /** Places of settings that are others than before, gone ones included. */
  readonly changed: readonly string[];
  /** Nothing was ever recorded of the tenant. */
  readonly isFirst: boolean;
  /** The changes are in the audit already, because another role was started with the same ones; or there are none. */
  readonly isTold: boolean;
  /** The record of this role is up to date. */
  readonly isRecorded: boolean;
}

/** `recorded` is by role. A role that was never started is compared with another one. */
function compare(
  settings: SettingDigests,
  role: string,
  recorded: ReadonlyMap<string, Readonly<Record<string, string>>>,
): Comparison {
  const own = recorded.get(role);
  const others = [...recorded].flatMap(([name, other]) => (name === role ? [] : [other]));
  const before = own ?? others[0] ?? {};
  const changed = [...new Set([...settings.keys(), ...Object.keys(before)])]
    .filter((place) => settings.get(place) !== before[place])
    .sort();
  const isTold = others.some((other) => changed.every((place) => settings.get(place) === other[place]));
  return {
    changed,
    isFirst: recorded.size === 0,
    isTold: changed.length === 0 || isTold,
    isRecorded: own !== undefined && changed.length === 0,
  };
}

/** @throws SallyportError ERR_STORE_UNAVAILABLE when others hold it for longer than they may take */
async function holding(acquire: Lease['acquire'], name: string, work: () => Promise<void>): Promise<void> {
  for (let waitedMs = 0; waitedMs <= 2 * HOLD_MS; waitedMs += PAUSE_MS) {
    const lease = await acquire(name, HOLD_MS);
    if (lease === null) {
      await delay(PAUSE_MS);
      continue;
    }
    try {
      return await work();
    } finally {
      await lease.release();
    }
  }
  throw new SallyportError('ERR_STORE_UNAVAILABLE', 'another process does not end recording the configuration');
}

/** `tenants.acme.slack` of `tenants.acme.slack.botToken`, `store` of `store.shards`. */
function sectionOf(place: string): string {
  const parts = place.split('.');
  return parts.slice(0, parts[0] === 'tenants' ? 3 : 1).join('.');
}

const digestsOf = (settings: SettingDigests, section: string): string[] =>
  [...settings]
    .filter(([place]) => sectionOf(place) === section)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([place, value]) => `${place} ${value}`);
