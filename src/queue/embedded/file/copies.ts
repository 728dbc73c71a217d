import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, rmSync } from 'node:fs';
import { link, mkdir, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { defined } from '../../../core/defined.ts';
import { SallyportError } from '../../../core/errors.ts';
import { type Connection, connect, isNoDatabase } from './connection.ts';
import { APPLICATION_ID, FILE_VERSION, openDataFileAsIs, storedIdCheck } from './data-file.ts';

/** What a copy of the data file holds. */
export interface CopyFacts {
  readonly bytes: number;
  /** Lower-case hexadecimal digits, as `sha256sum` prints them. */
  readonly sha256: string;
  /** Of the file's tables; a later release lifts an earlier one's file when it opens it. */
  readonly version: number;
  /** Epoch ms at which the copy was begun. */
  readonly madeAt: number;
  /** Number of events by state. */
  readonly events: Readonly<Record<string, number>>;
  readonly auditEntries: number;
}

export interface Expected {
  /** Whether the gate has the key with this check value; it refuses the file of another one. */
  readonly isKnownKey?: (idCheck: string) => boolean;
  /** Digest that was noted when the copy was made. */
  readonly sha256?: string;
}

/**
 * Copies the data file of processes that may be writing to it. The copy is the state at one moment, checked, private to its
 * owner (0600) and on disk before it has its name. Writers do not wait; the log of the data file grows meanwhile.
 * @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_STORE_MISMATCH or ERR_STORE_UNSAFE, whose messages name no value but
 * paths of the caller
 */
export async function copyDataFile(path: string, to: string): Promise<CopyFacts> {
  if (!existsSync(path)) throw refusal('ERR_STORE_UNAVAILABLE', `SALLYPORT_DATA_DIR: holds no ${basename(path)}`);
  return putAside(to, async (part) => {
    const source = await openDataFileAsIs(path);
    try {
      const madeAt = Date.now();
      source.query<never>('VACUUM INTO ?').all(part);
      const copy = connect(part);
      try {
        copy.query(`INSERT OR REPLACE INTO meta VALUES ('copied_at', ?)`).run(madeAt);
      } finally {
        copy.close();
      }
    } finally {
      source.close();
    }
    return examine(part, part);
  });
}

/**
 * Whether a copy can be restored. It is looked at as a copy of its own, because SQLite may write beside what it opens.
 * @throws SallyportError as `restoreDataFile`
 */
export async function checkCopy(from: string, sha256?: string): Promise<CopyFacts> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-copy-'));
  const settled = removeIfStopped(() => rmSync(folder, { recursive: true, force: true }));
  try {
    const part = join(folder, 'copy.db');
    await copyBytes(from, part);
    return await examine(part, from, defined({ sha256 }));
  } finally {
    await rm(folder, { recursive: true, force: true });
    settled();
  }
}

/**
 * Puts a copy where processes look for the data file; all of them must have been stopped. Nothing is overwritten: a file
 * that is there, or the log of one, is refused.
 * @throws SallyportError ERR_STORE_MISMATCH, ERR_STORE_UNSAFE, ERR_STORE_UNAVAILABLE
 */
export async function restoreDataFile(from: string, path: string, expected: Expected): Promise<CopyFacts> {
  // The log of another file would be taken for this one's.
  const found = ['', '-wal', '-shm', '-journal'].map((end) => `${path}${end}`).find(existsSync);
  if (found !== undefined) {
    const remedy = 'stop the processes and move it away, or set another folder';
    throw refusal('ERR_STORE_MISMATCH', `SALLYPORT_DATA_DIR: holds ${basename(found)} already; ${remedy}`);
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  return putAside(path, async (part) => {
    await copyBytes(from, part);
    return examine(part, from, expected);
  });
}

const refusal = (code: 'ERR_STORE_MISMATCH' | 'ERR_STORE_UNSAFE' | 'ERR_STORE_UNAVAILABLE', message: string) =>
  new SallyportError(code, message);

/** Has a file written beside its place, and gives it its name once it is whole and on disk. Removes it otherwise. */
async function putAside<T>(to: string, write: (part: string) => Promise<T>): Promise<T> {
  const part = join(dirname(to), `.${basename(to)}.${randomBytes(6).toString('hex')}.part`);
  // SQLite may write beside what it opens.
  const written = ['', '-wal', '-shm', '-journal'].map((end) => `${part}${end}`);
  const settled = removeIfStopped(() => removeAll(written));
  try {
    // SQLite fills an empty file and leaves its mode as it is.
    await (await open(part, 'wx', 0o600)).close();
    const result = await write(part);
    await sync(part);
    // Unlike a rename, a link never replaces a file.
    await link(part, to);
    removeAll(written);
    await sync(dirname(to));
    return result;
  } catch (error) {
    removeAll(written);
    throw writingFailure(to, error);
  } finally {
    settled();
  }
}

const removeAll = (paths: readonly string[]): void => {
  for (const path of paths) rmSync(path, { force: true });
};

const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Has a signal that ends the process remove what it wrote so far. Returns what ends that. */
function removeIfStopped(remove: () => void): () => void {
  const release = (): void => {
    for (const signal of STOPPING) process.off(signal, stop);
  };
  function stop(signal: NodeJS.Signals): void {
    release();
    remove();
    process.kill(process.pid, signal);
  }
  for (const signal of STOPPING) process.on(signal, stop);
  return release;
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function writingFailure(to: string, error: unknown): unknown {
  if (error instanceof SallyportError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  if (code === 'EEXIST') return refusal('ERR_STORE_MISMATCH', `${to}: exists already; choose another name`);
  if (code === undefined) return error;
  return new SallyportError('ERR_STORE_UNAVAILABLE', `${to}: cannot be written (${code})`, { cause: error });
}

/** Bytes 18 and 19 of the header: the file has a write-ahead log (https://sqlite.org/fileformat2.html, 1.3.3). */
const WAL_VERSIONS = Buffer.from([2, 2]);

async function copyBytes(from: string, to: string): Promise<void> {
  const unreadable = (error: unknown): never => {
    const { code } = error as NodeJS.ErrnoException;
    throw new SallyportError('ERR_STORE_UNAVAILABLE', `${from}: cannot be read (${code})`, { cause: error });
  };
  const { isFile, size } = await stat(from).then((found) => ({ isFile: found.isFile(), size: found.size }), unreadable);
  if (!isFile) throw refusal('ERR_STORE_MISMATCH', `${from}: is not a file; name a copy that sallyport backup made`);
  const read = createReadStream(from);
  let failure: unknown;
  read.once('error', (error) => {
    failure = error;
  });
  await pipeline(read, createWriteStream(to, { mode: 0o600 })).catch((error: unknown) => {
    throw failure === undefined ? error : unreadable(failure);
  });
  if (size < 20) return;
  const copied = await open(to, 'r');
  try {
    const { buffer } = await copied.read(Buffer.alloc(2), 0, 2, 18);
    if (buffer.equals(WAL_VERSIONS)) throw refusal('ERR_STORE_MISMATCH', plainCopy(from));
  } finally {
    await copied.close();
  }
}

/** Of a data file in use: the latest events are in a file beside it. */
const plainCopy = (name: string): string =>
  `${name}: was not made by sallyport backup, and may lack what is in its -wal file; open it with a gate where it was`;

/**
 * Reads all of a copy. SQLite keeps no checksum of its pages: `integrity_check` finds damage to the structure and to what is
 * indexed, and only a digest that was noted finds the rest.
 * @param name what messages call the file
 * @throws SallyportError ERR_STORE_MISMATCH, ERR_STORE_UNSAFE
 */
async function examine(part: string, name: string, expected: Expected = {}): Promise<CopyFacts> {
  const { sha256, bytes } = await digestOf(part);
  if (expected.sha256 !== undefined && expected.sha256 !== sha256) {
    throw refusal('ERR_STORE_UNSAFE', `${name}: does not have the given SHA-256; use another copy`);
  }
  const connection = connectTo(part, name);
  try {
    const version = versionOf(connection, name);
    if (connection.pragma('integrity_check(1)') !== 'ok') throw damaged(name);
    const idCheck = storedIdCheck(connection);
    if (idCheck === undefined) throw damaged(name);
    if (expected.isKnownKey?.(idCheck) === false) {
      const remedy = 'set the key that its gate had';
      throw refusal('ERR_STORE_MISMATCH', `SALLYPORT_ID_KEY: is not the key that ${name} was made with; ${remedy}`);
    }
    const count = (sql: string): number => connection.query<{ n: number }>(sql).get()?.n ?? 0;
    const madeAt = count(`SELECT value AS n FROM meta WHERE name = 'copied_at'`);
    if (madeAt === 0) throw refusal('ERR_STORE_MISMATCH', plainCopy(name));
    const tallies = connection.query<{ state: string; n: number }>(
      'SELECT state, count(*) AS n FROM events GROUP BY state ORDER BY state',
    );
    return {
      bytes,
      sha256,
      version,
      madeAt,
      events: Object.fromEntries(tallies.all().map(({ state, n }) => [state, n])),
      auditEntries: version < AUDIT_SINCE ? 0 : count('SELECT count(*) AS n FROM audit'),
    };
  } catch (error) {
    if (error instanceof SallyportError) throw error;
    throw damaged(name, error);
  } finally {
    connection.close();
  }
}

/** Version of the first files with an audit. */
const AUDIT_SINCE = 4;

async function digestOf(path: string): Promise<Pick<CopyFacts, 'sha256' | 'bytes'>> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { sha256: hash.digest('hex'), bytes };
}

function connectTo(part: string, name: string): Connection {
  try {
    return connect(part);
  } catch (error) {
    throw isNoDatabase(error) ? foreign(name, error) : damaged(name, error);
  }
}

function versionOf(connection: Connection, name: string): number {
  let version: number;
  try {
    version = Number(connection.pragma('user_version'));
    if (connection.pragma('application_id') !== APPLICATION_ID || version === 0) throw foreign(name);
  } catch (error) {
    throw isNoDatabase(error) ? foreign(name, error) : error;
  }
  if (version <= FILE_VERSION) return version;
  const message = `${name}: was made by a newer release (format ${version}, this one reads up to ${FILE_VERSION}); restore it with that release`;
  throw refusal('ERR_STORE_MISMATCH', message);
}

const damaged = (name: string, cause?: unknown): SallyportError =>
  new SallyportError('ERR_STORE_UNSAFE', `${name}: is damaged; use another copy`, { cause });

const foreign = (name: string, cause?: unknown): SallyportError =>
  new SallyportError('ERR_STORE_MISMATCH', `${name}: is not a copy of a data file of sallyport`, { cause });
