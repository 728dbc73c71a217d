import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { codeOf } from '../../core/errors.ts';
import type { Store } from '../store.ts';
import { type Client, makeStringsFast, openConnections, unavailable } from './client/connection.ts';
import { defaultRelayTuning, type RedisStoreOptions } from './client/options.ts';
import { createReplicatedScripts, type ReplicatedScripts } from './client/replicas.ts';
import { checkDurability, createMemoryGuard } from './client/server-info.ts';
import { createAudit } from './ports/audit.ts';
import { createErasure } from './ports/erasure.ts';
import { createEvents } from './ports/events.ts';
import { createInbox } from './ports/inbox.ts';
import { createCallbacks, createJournal } from './ports/journal.ts';
import { createLease } from './ports/lease.ts';
import { createLedger } from './ports/ledger.ts';
import { createLimits } from './ports/limits.ts';
import { createRecords } from './ports/records.ts';
import { createReviews } from './ports/reviews.ts';
import { createJobs } from './relay/jobs.ts';
import { createAgreement, createKeys, createShards, type Shards } from './shards.ts';

/**
 * Opens every port over one Redis, Sentinel group or Cluster.
 *
 * Resolves also when Redis cannot be reached yet: every call then rejects with ERR_STORE_UNAVAILABLE until it can.
 * @throws SallyportError ERR_CONFIG_INVALID (the URL), ERR_STORE_MISMATCH (other shards or another id key than before)
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  makeStringsFast();
  const { limits, logger, clock, onFailure } = options;
  const connections = openConnections(options.url, logger);
  const keys = createKeys(options.prefix ?? 'sp', options.shards);
  const agreement = createAgreement(connections.swift, keys.meta, options.shards, options.idCheck);
  const shards = createShards({ client: connections.swift, keys, agreement, clock, onFailure });
  let patient: Shards | undefined;
  const patientShards = (): Shards => {
    patient ??= createShards({ client: connections.patient(), keys, agreement, clock, onFailure });
    return patient;
  };

  let replicated: ReplicatedScripts | undefined;
  const replicatedScripts = (): ReplicatedScripts => {
    replicated ??= createReplicatedScripts(connections.replicated(), connections.isCluster, options.minReplicas);
    return replicated;
  };
  const memory = createMemoryGuard(connections.swift);
  const inbox = createInbox({ shards, agreement, limits, minReplicas: options.minReplicas, memory });
  const events = createEvents(shards, limits);
  const tuning = { ...defaultRelayTuning, ...options.relay };
  const audit = createAudit({ shards, patientShards });
  const { minReplicas } = options;
  const jobs = createJobs({ connections, shards, patientShards, events, audit, limits, tuning, minReplicas, logger });
  const store: Store = {
    inbox,
    events,
    reviews: createReviews({ shards, events, limits, logger }),
    jobs,
    lease: createLease({ shards: patientShards, limits }),
    journal: createJournal(patientShards, options.minReplicas > 0 ? replicatedScripts : undefined),
    callbacks: createCallbacks({ shards, events, minReplicas: options.minReplicas }),
    records: createRecords(shards, logger),
    ledger: createLedger({ shards, patientShards, limits }),
    limits: createLimits(shards),
    audit,
    erasure: createErasure(shards, limits),
    check: async () => {
      try {
        await agreement.confirm();
        await checkDurability(connections.swift, options.allowUnsafe, logger);
      } catch (error) {
        throw unavailable(error);
      }
    },
    close: async () => {
      inbox.close();
      await jobs.close();
      connections.close();
    },
  };

  await firstConnection(connections.swift);
  try {
    await agreement.ensure();
  } catch (error) {
    if (codeOf(error) === 'ERR_STORE_MISMATCH') {
      await store.close();
      throw error;
    }
    logger.warn({}, 'store.unavailable_at_start');
  }
  return store;
}

/** Resolves with the first connection, its first failure, or after the time one attempt may take. */
async function firstConnection(client: Client): Promise<void> {
  if (client.status === 'ready') return;
  const waiting = new AbortController();
  const { signal } = waiting;
  await Promise.race([once(client, 'ready', { signal }), delay(1_500, undefined, { signal })]).catch(() => {});
  waiting.abort();
}
