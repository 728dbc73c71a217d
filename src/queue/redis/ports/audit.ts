import { randomBytes } from 'node:crypto';
import { type AuditEntry, type ChainHead, chainAfter, EMPTY, type TimedNote } from '../../../core/audit/chain.ts';
import type { Actor, AuditAction } from '../../../core/audit/entry.ts';
import { sha256 } from '../../../core/crypto/sha256.node.ts';
import { type ErrorCode, SallyportError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json/json-text.ts';
import { type Audit, unaskedNote } from '../../audit.ts';
import { scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';
import { acquireNamed } from './lease.ts';

/** Entries in one call: about 1 ms of Redis. */
const BATCH = 128;

/**
 * Tries of one batch. Each lost try is one that another process won, so all of them together always go on; where 16 are
 * busy and each is as likely to win, (15/16)^200 of the batches, 2.5 in a million, lose this often in a row.
 */
const MAX_TRIES = 200;

interface Waiting {
  readonly notes: readonly TimedNote[];
  readonly resolve: (head: ChainHead) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A tenant's notes of this process, on their way to the chain. One call at a time is under way; what comes in meanwhile
 * goes together with the next, so that processes get into each other's way once a round trip and not once an entry.
 */
interface Lane {
  waiting: Waiting[];
  isBusy: boolean;
  /** Where the chain ended when this process last heard of it. */
  head: ChainHead;
}

export function createAudit({
  shards,
  patientShards,
}: {
  /** For callers who wait for an HTTP answer. */
  readonly shards: Shards;
  /** For entries: somebody has done something, and they are worth waiting for. */
  readonly patientShards: () => Shards;
}): Audit {
  const lanes = new Map<string, Lane>();

  /** Adds the notes wherever the chain ends by now. */
  async function add(tenant: string, lane: Lane, notes: readonly TimedNote[]): Promise<void> {
    const { keys, run } = patientShards();
    // Tells this batch from one of another process with the same words.
    const mark = randomBytes(9).toString('base64url');
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const entries = chainAfter(lane.head, tenant, notes, sha256);
      const { seq, hash } = entries.at(-1) ?? lane.head;
      const stored = entries.map((entry, at) => encodeEntry(entry, at === 0 ? mark : ''));
      const args = [tenant, headText(lane.head), headText({ seq, hash }), ...stored];
      const other = (await run(scripts.auditAppend, keys.tagOf(tenant), args)) as string;
      lane.head = other === '' ? { seq, hash } : readHead(other);
      if (other === '') return;
    }
    throw new SallyportError('ERR_STORE_UNAVAILABLE', 'the audit chain is too busy');
  }

  async function pump(tenant: string, lane: Lane): Promise<void> {
    while (lane.waiting.length > 0) {
      const batch = takeBatch(lane.waiting);
      try {
        const notes = batch.flatMap((one) => one.notes);
        await add(tenant, lane, notes);
        for (const { resolve } of batch) resolve(lane.head);
      } catch (error) {
        // Who came meanwhile has waited as long for the same store.
        for (const { reject } of [...batch, ...lane.waiting.splice(0)]) reject(error);
      }
    }
    lane.isBusy = false;
  }

  function join(tenant: string, notes: readonly TimedNote[]): Promise<ChainHead> {
    const lane = lanes.get(tenant) ?? { waiting: [], isBusy: false, head: EMPTY };
    lanes.set(tenant, lane);
    return new Promise((resolve, reject) => {
      lane.waiting.push({ notes, resolve, reject });
      if (lane.isBusy) return;
      lane.isBusy = true;
      setImmediate(() => void pump(tenant, lane));
    });
  }

  async function head(tenant: string): Promise<ChainHead> {
    const { keys, client, failed } = shards;
    const text = await client.hget(`${keys.tagOf(tenant)}:audit-heads`, tenant).catch((error: unknown) => {
      throw failed(error);
    });
    return text === null ? EMPTY : readHead(text);
  }

  return {
    append: (tenant, notes) => (notes.length === 0 ? head(tenant) : join(tenant, notes)),
    async read(tenant, { from, limit }) {
      const { keys, run } = shards;
      const [first, before, ...stored] = (await run(scripts.auditRead, keys.tagOf(tenant), [tenant, from, limit])) as [
        number,
        string,
        ...string[],
      ];
      return decodeEntries(tenant, { seq: first - 1, hash: before }, stored);
    },
    head,
  };
}

/** The first few that together have no more than `BATCH` entries; at least one, however many it has. */
function takeBatch(waiting: Waiting[]): Waiting[] {
  let entries = 0;
  const end = waiting.findIndex(({ notes }, at) => {
    entries += notes.length;
    return at > 0 && entries > BATCH;
  });
  return waiting.splice(0, end === -1 ? waiting.length : end);
}

const headText = ({ seq, hash }: ChainHead): string => `${seq} ${hash}`;

function readHead(text: string): ChainHead {
  const [seq = '', hash = ''] = text.split(' ');
  return { seq: Number(seq), hash };
}

/** What is kept of an entry: its tenant is in the key, and the hash before it in the element before it. */
type Kept = readonly [seq: number, at: number, actor: Actor, action: AuditAction, subject: string, data: JsonObject];

const HASH_CHARS = 64;

/**
 * `<hash><mark>[<seq>,<at in ms>,…]`. The scripts read the hash and the first two members. A mark is base64url, on the
 * first entry of a call, and no part of the chain.
 */
function encodeEntry({ seq, at, actor, action, subject, data, hash }: AuditEntry, mark: string): string {
  const kept: Kept = [seq, Date.parse(at), actor, action, subject, data];
  return `${hash}${mark}${JSON.stringify(kept)}`;
}

/** The entries that follow `head`. They are given as they are stored: whether they are whole is for others to find out. */
function decodeEntries(tenant: string, head: ChainHead, stored: readonly string[]): AuditEntry[] {
  let { hash: prev } = head;
  return stored.map((text) => {
    const kept = JSON.parse(text.slice(text.indexOf('['))) as Kept;
    const [seq, at, actor, action, subject, data] = kept;
    const hash = text.slice(0, HASH_CHARS);
    const entry = { seq, at: new Date(at).toISOString(), tenant, actor, action, subject, data, prev, hash };
    prev = hash;
    return entry;
  });
}

/** Taken at once: a batch of the chain. */
const AT_ONCE = 100;
/** A worker that dies amid it holds up the others for so long, in ms. */
const HOLD_MS = 15_000;

/**
 * Puts what scripts parked by themselves into the audit, in order, at least once: an entry leaves the list only after it is
 * in the chain, so that it comes twice if a worker dies in between.
 */
export async function drainAuditDue(shards: Shards, tag: string, audit: Audit): Promise<void> {
  const { client, run, failed } = shards;
  const key = `${tag}:audit-due`;
  const read = (): Promise<[settled: string | null, due: string[]]> =>
    Promise.all([client.get(`${tag}:audit-settled`), client.lrange(key, 0, AT_ONCE - 1)]).catch((error: unknown) => {
      throw failed(error);
    });
  if ((await read())[1].length === 0) return;
  const lease = await acquireNamed(shards, key, HOLD_MS);
  if (lease === null) return;
  try {
    for (let [settled, due] = await read(); due.length > 0; [settled, due] = await read()) {
      for (const [tenant, notes] of byTenant(due, shards.now() || Date.now())) await audit.append(tenant, notes);
      if (!(await lease.renew())) return;
      await run(scripts.auditSettle, tag, [settled ?? 0, due.length]);
    }
  } finally {
    await lease.release();
  }
}

function byTenant(due: readonly string[], at: number): ReadonlyMap<string, readonly TimedNote[]> {
  const notes = new Map<string, TimedNote[]>();
  for (const text of due) {
    const [tenant = '', id = '', code] = text.split(' ');
    notes.set(tenant, [...(notes.get(tenant) ?? []), unaskedNote(id, code as ErrorCode, at)]);
  }
  return notes;
}
