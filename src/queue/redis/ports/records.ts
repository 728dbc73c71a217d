import type { JsonValue } from '../../../core/json/json-text.ts';
import type { Logger } from '../../../core/logger.ts';
import { createUnreadable, type Records, type StoredRecord } from '../../records.ts';
import { scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';

/** Each collection of a tenant is one hash. */
export function createRecords({ keys, client, run, failed }: Shards, logger: Logger): Records {
  const hashOf = (tenant: string, collection: string): string =>
    `${keys.tagOf(tenant)}:records:${collectionKey(tenant, collection)}`;
  const rethrow = (error: unknown): never => {
    throw failed(error);
  };
  return {
    async get(tenant, collection, name) {
      const text = await client.hget(hashOf(tenant, collection), name).catch(rethrow);
      return text === null ? null : decode(text);
    },
    async list(tenant, collection) {
      const all = await client.hgetall(hashOf(tenant, collection)).catch(rethrow);
      return new Map(Object.entries(all).map(([name, text]) => [name, decode(text)]));
    },
    async compareAndSet(tenant, collection, name, expected, value) {
      const args = [collectionKey(tenant, collection), name, expected, value === null ? '' : JSON.stringify(value)];
      return (await run(scripts.compareAndSet, keys.tagOf(tenant), args)) === 1;
    },
    unreadable: createUnreadable(logger),
  };
}

/** The length in front keeps ('a', 'b:c') and ('a:b', 'c') apart. */
const collectionKey = (tenant: string, collection: string): string => `${tenant.length}:${tenant}:${collection}`;

/** `<revision> <value as JSON>` */
function decode(text: string): StoredRecord {
  const at = text.indexOf(' ');
  return { revision: Number(text.slice(0, at)), value: JSON.parse(text.slice(at + 1)) as JsonValue };
}
