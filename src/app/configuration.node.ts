import type { Config } from '../config/schema.ts';
import type { Identifier } from '../core/identity.ts';
import type { SettingDigests } from '../ops/configuration-changes.ts';

/** Settings within settings that are looked at; below, a value is one value. */
const MAX_DEPTH = 8;

/**
 * The settings of a configuration that concern a tenant, each as a digest under the id key: a reader of the store must not
 * be able to guess values. Code counts by its text.
 */
export function settingDigests(config: Config, identifier: Identifier): (tenant: string) => SettingDigests {
  const digest = (place: string, value: unknown): string => identifier.digest('setting', [place, textOf(value)]);
  const { tenants, ...shared } = config;
  const common = placesOf(shared, [], digest);
  return (tenant) => new Map([...common, ...placesOf(tenants[tenant] ?? {}, ['tenants', tenant], digest)]);
}

function placesOf(
  value: unknown,
  path: readonly string[],
  digest: (place: string, value: unknown) => string,
): readonly (readonly [string, string])[] {
  const place = path.join('.');
  if (value === undefined) return [];
  if (!isBranch(value) || path.length > MAX_DEPTH) return [[place, digest(place, value)]];
  return Object.entries(value).flatMap(([name, child]) => placesOf(child, [...path, name], digest));
}

/** Lists of things with names are branches too: agents, services. */
function isBranch(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false;
  const isList = Array.isArray(value);
  if (isList) return value.some((one) => typeof one === 'object' && one !== null && !(one instanceof Uint8Array));
  return Object.getPrototypeOf(value) === Object.prototype && Object.keys(value).length > 0;
}

/** A value as text. What refers to itself counts once. */
function textOf(value: unknown): string {
  const seen = new Set<unknown>();
  return JSON.stringify(value, (_, one: unknown) => {
    if (typeof one === 'function') return String(one);
    if (typeof one === 'bigint') return `${one}n`;
    if (one instanceof Uint8Array) return Buffer.from(one).toString('base64');
    if (typeof one !== 'object' || one === null) return one;
    if (seen.has(one)) return null;
    seen.add(one);
    return one;
  });
}
