import type * as z from 'zod';
import { codeOf, SallyportError } from '../../core/errors.ts';
import type { JsonValue } from '../../core/json/json-text.ts';
import type { Records } from '../records.ts';

/**
 * Small records of one kind. A record that this release cannot read (a later release wrote it, before a downgrade) is
 * reported by its name and stays as it is: it may be the only cursor or limit there is.
 */
export interface Collection<T> {
  /**
   * Null when there is none.
   * @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_STORE_MISMATCH when it cannot be read (`isUnreadable`)
   */
  get(tenant: string, name: string): Promise<T | null>;
  /** Every record that can be read, by name, and the names of the others. @throws SallyportError ERR_STORE_UNAVAILABLE */
  list(tenant: string): Promise<{ readonly records: ReadonlyMap<string, T>; readonly unreadable: readonly string[] }>;
  /**
   * Replaces the record by what `change` makes of it; null deletes it, and `known` itself is not written. `change` is
   * asked again when somebody else was first. Resolves with the record as it is now.
   * @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_STORE_MISMATCH as `get`
   */
  update(tenant: string, name: string, change: (known: T | null) => T | null): Promise<T | null>;
  /**
   * Puts a value that depends on nothing stored in the place of whatever is there, readable or not; null deletes it.
   * @throws SallyportError ERR_STORE_UNAVAILABLE
   */
  replace(tenant: string, name: string, value: T | null): Promise<void>;
}

/** Writers of one record are few; more tries than that mean that something is broken. */
const MAX_TRIES = 20;

/** @param schema of a record, or what gives the schema for a record's name. */
export function createCollection<T>(
  records: Records,
  collection: string,
  schema: z.ZodType<T> | ((name: string) => z.ZodType<T>),
): Collection<T> {
  /** Undefined when it cannot be read. */
  function parse(tenant: string, name: string, value: JsonValue): T | undefined {
    const { data } = (typeof schema === 'function' ? schema(name) : schema).safeParse(value);
    if (data === undefined) records.unreadable(tenant, collection, name);
    return data;
  }

  /** The one loop of compare and set. `next` gives undefined to leave what is stored. */
  async function write(
    tenant: string,
    name: string,
    next: (stored: JsonValue | null) => T | null | undefined,
  ): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const stored = await records.get(tenant, collection, name);
      const value = next(stored?.value ?? null);
      if (value === undefined || (value === null && stored === null)) return;
      if (await records.compareAndSet(tenant, collection, name, stored?.revision ?? 0, value as JsonValue)) return;
    }
    throw new SallyportError('ERR_STORE_UNAVAILABLE', `${collection}: a record changes faster than it can be written`);
  }

  function read(tenant: string, name: string, value: JsonValue | null): T | null {
    if (value === null) return null;
    const known = parse(tenant, name, value);
    if (known !== undefined) return known;
    throw new SallyportError(
      'ERR_STORE_MISMATCH',
      `${collection}: a record is in a form that this release cannot read; start the release that wrote it`,
    );
  }

  return {
    get: async (tenant, name) => read(tenant, name, (await records.get(tenant, collection, name))?.value ?? null),
    async list(tenant) {
      const readable = new Map<string, T>();
      const unreadable: string[] = [];
      for (const [name, { value }] of await records.list(tenant, collection)) {
        const known = parse(tenant, name, value);
        if (known === undefined) unreadable.push(name);
        else readable.set(name, known);
      }
      return { records: readable, unreadable };
    },
    async update(tenant, name, change) {
      let result: T | null = null;
      await write(tenant, name, (stored) => {
        const known = read(tenant, name, stored);
        result = change(known);
        return result === known ? undefined : result;
      });
      return result;
    },
    replace: (tenant, name, value) => write(tenant, name, () => value),
  };
}

/** Whether a collection refused a record that it cannot read. */
export const isUnreadable = (error: unknown): boolean => codeOf(error) === 'ERR_STORE_MISMATCH';
