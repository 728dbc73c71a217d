import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import ledger from './scripts/_ledger.lua';
import line from './scripts/_line.lua';
import review from './scripts/_review.lua';
import shard from './scripts/_shard.lua';
import accept from './scripts/accept.lua';
import addUp from './scripts/add-up.lua';
import auditAppend from './scripts/audit-append.lua';
import auditRead from './scripts/audit-read.lua';
import auditSettle from './scripts/audit-settle.lua';
import auditTrim from './scripts/audit-trim.lua';
import callBack from './scripts/call-back.lua';
import claim from './scripts/claim.lua';
import clean from './scripts/clean.lua';
import compareAndSet from './scripts/compare-and-set.lua';
import decide from './scripts/decide.lua';
import erase from './scripts/erase.lua';
import eraseFind from './scripts/erase-find.lua';
import extend from './scripts/extend.lua';
import finish from './scripts/finish.lua';
import hold from './scripts/hold.lua';
import ledgerKilled from './scripts/ledger-killed.lua';
import ledgerReserve from './scripts/ledger-reserve.lua';
import ledgerSettle from './scripts/ledger-settle.lua';
import ledgerUsage from './scripts/ledger-usage.lua';
import list from './scripts/list.lua';
import lockoutFail from './scripts/lockout-fail.lua';
import lockoutRead from './scripts/lockout-read.lua';
import meta from './scripts/meta.lua';
import now from './scripts/now.lua';
import park from './scripts/park.lua';
import parked from './scripts/parked.lua';
import redrive from './scripts/redrive.lua';
import resolve from './scripts/resolve.lua';
import stats from './scripts/stats.lua';
import sweepReviews from './scripts/sweep-reviews.lua';
import take from './scripts/take.lua';

/** A Lua script, complete with the functions it shares with others. The head of each file says what it takes. */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

function script(...parts: readonly string[]): Script {
  const source = parts.join('\n');
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}

export const scripts = {
  accept: script(shard, accept),
  addUp: script(shard, addUp),
  auditAppend: script(shard, auditAppend),
  auditRead: script(shard, auditRead),
  auditSettle: script(shard, auditSettle),
  auditTrim: script(shard, auditTrim),
  callBack: script(shard, line, callBack),
  claim: script(shard, claim),
  clean: script(shard, clean),
  compareAndSet: script(shard, compareAndSet),
  decide: script(shard, line, review, decide),
  erase: script(shard, line, erase),
  eraseFind: script(shard, eraseFind),
  extend: script(shard, extend),
  finish: script(shard, line, finish),
  hold: script(shard, hold),
  ledgerKilled: script(shard, ledger, ledgerKilled),
  ledgerReserve: script(shard, ledger, ledgerReserve),
  ledgerSettle: script(shard, ledger, ledgerSettle),
  ledgerUsage: script(shard, ledger, ledgerUsage),
  list: script(shard, list),
  lockoutFail: script(shard, lockoutFail),
  lockoutRead: script(shard, lockoutRead),
  meta: script(meta),
  now: script(shard, now),
  park: script(shard, line, park),
  parked: script(shard, parked),
  redrive: script(shard, redrive),
  resolve: script(shard, resolve),
  stats: script(shard, stats),
  sweepReviews: script(shard, review, sweepReviews),
  take: script(shard, line, take),
} as const;

export type ScriptArgument = string | number;

/** Runs a script by its digest, and by its source where Redis does not know it (restart, SCRIPT FLUSH, new master). */
export async function runScript(
  client: Redis | Cluster,
  { sha, source }: Script,
  key: string,
  args: readonly ScriptArgument[],
): Promise<unknown> {
  try {
    return await client.evalsha(sha, 1, key, ...args);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    return client.eval(source, 1, key, ...args);
  }
}
