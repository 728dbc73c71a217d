import type { JsonValue } from '../core/json/json-text.ts';
import type { Logger } from '../core/logger.ts';

export interface StoredRecord {
  readonly value: JsonValue;
  /** Changes with every write; what `compareAndSet` compares. */
  readonly revision: number;
}

/**
 * Small records of a tenant: cursors, subscriptions, installations. Names are chosen by us, never by a sender. Read and
 * write them through `records/collection.ts`.
 */
export interface Records {
  get(tenant: string, collection: string, name: string): Promise<StoredRecord | null>;
  list(tenant: string, collection: string): Promise<ReadonlyMap<string, StoredRecord>>;
  /** Writes when the stored revision is `expected` (0: absent). Null value deletes. False when somebody else was first. */
  compareAndSet(
    tenant: string,
    collection: string,
    name: string,
    expected: number,
    value: JsonValue | null,
  ): Promise<boolean>;
  /** Reports a record that is in no form this release can read: by its name, never its content, once a process. */
  unreadable(tenant: string, collection: string, name: string): void;
}

/** `Records.unreadable` for a store with this log: `record.unreadable`. */
export function createUnreadable(logger: Logger): Records['unreadable'] {
  const reported = new Set<string>();
  return (tenant, collection, name) => {
    const key = JSON.stringify([tenant, collection, name]);
    if (reported.has(key)) return;
    reported.add(key);
    logger.warn({ tenant, collection, name }, 'record.unreadable');
  };
}
