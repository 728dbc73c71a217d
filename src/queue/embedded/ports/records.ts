import type { JsonValue } from '../../../core/json/json-text.ts';
import { createUnreadable, type Records, type StoredRecord } from '../../records.ts';
import type { StoreParts } from '../store-parts.ts';

interface RecordRow {
  readonly name: string;
  readonly value: string;
  readonly revision: number;
}

export function createRecords({ connection, writer, counter, logger }: StoreParts): Records {
  const where = 'WHERE tenant = ? AND collection = ?';
  const list = connection.query<RecordRow>(`SELECT name, value, revision FROM records ${where} ORDER BY name`);
  const get = connection.query<RecordRow>(`SELECT name, value, revision FROM records ${where} AND name = ?`);
  const put = connection.query('INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?)');
  const remove = connection.query(`DELETE FROM records ${where} AND name = ?`);
  return {
    async get(tenant, collection, name) {
      const row = writer.read(() => get.get(tenant, collection, name));
      return row === undefined ? null : toStored(row);
    },
    async list(tenant, collection) {
      const rows = writer.read(() => list.all(tenant, collection));
      return new Map(rows.map((row) => [row.name, toStored(row)]));
    },
    compareAndSet: (tenant, collection, name, expected, value) =>
      writer.write(() => {
        if ((get.get(tenant, collection, name)?.revision ?? 0) !== expected) return false;
        if (value === null) remove.run(tenant, collection, name);
        else put.run(tenant, collection, name, counter(), JSON.stringify(value));
        return true;
      }),
    unreadable: createUnreadable(logger),
  };
}

const toStored = ({ value, revision }: RecordRow): StoredRecord => ({
  value: JSON.parse(value) as JsonValue,
  revision,
});
