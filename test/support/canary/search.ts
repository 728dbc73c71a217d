import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import Database from 'libsql';
import type { SampleSecret } from '../../fixtures/secrets.ts';

/** What was written or said, by where. */
export type Places = ReadonlyMap<string, Buffer>;

/** Where a secret can be read, by kind and place; empty when nowhere. */
export function leaks(secrets: readonly SampleSecret[], places: Places): string[] {
  const found: string[] = [];
  for (const { kind, core } of secrets) {
    const spellings = [...spellingsOf(core)];
    for (const [place, bytes] of places) {
      const how = spellings.find(([, spelling]) => bytes.includes(spelling))?.[0];
      if (how !== undefined) found.push(`${kind} in ${place}, ${how}`);
    }
  }
  return found;
}

/** Which of these texts, by name, can be read where; for what is no secret of a sender's but must not be kept either. */
export function holds(places: Places, texts: Readonly<Record<string, string>>): string[] {
  return Object.entries(texts).flatMap(([name, text]) =>
    [...places].flatMap(([place, bytes]) => (text !== '' && bytes.includes(text) ? [`${name} in ${place}`] : [])),
  );
}

/** How a secret may stand in a text: as it is, escaped, or within base64 at any of the three offsets. */
function spellingsOf(core: string): Map<string, string> {
  const json = JSON.stringify(core).slice(1, -1);
  const spellings = new Map([
    ['plain', core],
    ['as JSON', json],
    ['as JSON with slashes', json.replaceAll('/', '\\/')],
    ['in a query', encodeURIComponent(core)],
    ['as HTML', core.replaceAll('&', '&amp;')],
    ['in hexadecimal', Buffer.from(core).toString('hex')],
  ]);
  for (const offset of [0, 1, 2]) {
    const shifted = Buffer.from(`${'-'.repeat(offset)}${core}`);
    // The first and last digits of base64 share bits with what stands beside.
    spellings.set(`in base64 (${offset})`, shifted.toString('base64').slice(offset + 1, -4));
    spellings.set(`in base64url (${offset})`, shifted.toString('base64url').slice(offset + 1, -4));
  }
  return spellings;
}

/** Every file below a folder, as bytes; and once more what SQLite files hold, whose long values lie in pieces. */
export async function everyByte(folder: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path, await readFile(path));
    if (path.endsWith('.db')) files.set(`${path} (rows)`, everyRow(path));
  }
  return files;
}

function everyRow(path: string): Buffer {
  const database = new Database(path, { timeout: 5_000 });
  try {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all() as { name: string }[];
    const rows = tables.flatMap(({ name }) => database.prepare(`SELECT * FROM "${name}"`).raw().all() as unknown[][]);
    return Buffer.concat(rows.flat().map((value) => Buffer.from(Buffer.isBuffer(value) ? value : `${value}\n`)));
  } finally {
    database.close();
  }
}

/** Every key of a server with its value, read and as `DUMP` shows it. Names are places too. */
export async function everyKey(url: string): Promise<Map<string, Buffer>> {
  const client = new Redis(url);
  const found = new Map<string, Buffer>();
  const names: Buffer[] = [];
  try {
    for (let cursor: string | undefined; cursor !== '0'; ) {
      const [next, page] = await client.scanBuffer(cursor ?? '0', 'COUNT', 1_000);
      cursor = next.toString();
      for (const key of page) {
        names.push(key);
        const dumped = (await client.dumpBuffer(key)) ?? Buffer.alloc(0);
        found.set(`redis ${key}`, Buffer.concat([dumped, Buffer.from(JSON.stringify(await valueAt(client, key)))]));
      }
    }
  } finally {
    client.disconnect();
  }
  return found.set('redis key names', Buffer.concat(names));
}

/** A value in words: `DUMP` may compress it. */
async function valueAt(client: Redis, key: Buffer): Promise<unknown> {
  switch (await client.type(key)) {
    case 'string':
      return client.get(key);
    case 'hash':
      return client.hgetall(key);
    case 'list':
      return client.lrange(key, 0, -1);
    case 'set':
      return client.smembers(key);
    case 'zset':
      return client.zrange(key, '0', '-1', 'WITHSCORES');
    case 'stream':
      return client.xrange(key, '-', '+');
    default:
      return null;
  }
}
