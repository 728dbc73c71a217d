import { SallyportError } from '../../../core/errors.ts';
import type { StoreParts } from '../store-parts.ts';
import { claimIdentity, versionOf } from './schema.ts';

/** `PRAGMA synchronous`: 2 is FULL, 3 is EXTRA (sqlite.org/pragma.html#pragma_synchronous). */
const FULL = 2;

/** Makes `Store.check`. The whole file is read only once: the later calls are a readiness probe's. */
export function createCheck({ connection, writer, counter }: StoreParts, idCheck: string): () => Promise<void> {
  let isIntact = false;

  function checkSettings(): void {
    if (connection.pragma('journal_mode') !== 'wal') {
      throw new SallyportError(
        'ERR_STORE_UNSAFE',
        'SALLYPORT_DATA_DIR: its file system does not allow journal_mode WAL',
      );
    }
    if (Number(connection.pragma('synchronous')) < FULL) {
      throw new SallyportError('ERR_STORE_UNSAFE', 'the data file is not opened with synchronous FULL');
    }
  }

  function checkIntegrity(): void {
    if (isIntact) return;
    if (connection.pragma('quick_check(1)') !== 'ok') {
      throw new SallyportError('ERR_STORE_UNSAFE', 'SALLYPORT_DATA_DIR: the data file is damaged; restore a copy');
    }
    isIntact = true;
  }

  return async () => {
    writer.read(checkSettings);
    writer.read(checkIntegrity);
    await writer.write(() => {
      versionOf(connection);
      claimIdentity(connection, idCheck);
      // SQLite writes nothing for an update to the same value.
      counter();
    });
  };
}
