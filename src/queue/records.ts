import type { JsonValue } from '../core/json/json.ts';

export interface StoredRecord {
  readonly value: JsonValue;
  /** Changes with every write; what `compareAndSet` compares. */
  readonly revision: number;
}

/** Small typed records of a tenant: cursors, subscriptions, installations, reviews. Names are chosen by us, never by a sender. */
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
}
