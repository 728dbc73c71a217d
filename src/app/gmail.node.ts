import { setTimeout as delay } from 'node:timers/promises';
import type { Reader, Replier } from '../channels/channel.ts';
import { createGmailReader } from '../channels/gmail/read/reader.ts';
import { createGmailReplier } from '../channels/gmail/reply/reply.ts';
import type { GmailConfig } from '../channels/gmail/settings.ts';
import { createMailboxes } from '../channels/gmail/sync/mailbox-state.ts';
import { createGmailKeeperTask, type GmailKeeperDeps } from '../channels/gmail/sync/subscriptions.ts';
import { createWatches } from '../channels/gmail/sync/watch-state.ts';
import type { KeeperTask } from '../channels/shared/keeper-task.ts';
import { openGmailClient } from './gmail-client.node.ts';
import type { Runtime } from './runtime.node.ts';

/** What a worker does for one tenant's mailboxes. */
export interface GmailWorker {
  readonly reader: Reader;
  readonly replier: Replier;
  readonly keeperTask: (accept: GmailKeeperDeps['accept']) => KeeperTask;
}

export function createGmailWorker(tenant: string, gmail: GmailConfig, runtime: Runtime): GmailWorker {
  const { identifier, log: logger, scrub, store } = runtime;
  const clock = Date.now;
  const client = openGmailClient(gmail, runtime.clients, runtime.config.worker.replyTimeout);
  const mailboxes = createMailboxes(store.records, tenant);
  const base = { identifier, tenant, client, mailboxes, clock };
  const pause = (ms: number, signal: AbortSignal): Promise<void> => delay(ms, undefined, { signal });
  const watches = createWatches(store.records, tenant);
  const boxes = gmail.mailboxes.map((mailbox) => mailbox.toLowerCase());
  const topic = gmail.topic === undefined ? {} : { topic: gmail.topic };
  const kept = { ...base, ...topic, watches, boxes, random: Math.random, pollAfterMs: gmail.pollAfter };
  return {
    reader: createGmailReader({ ...base, acquire: store.lease.acquire, pause, logger }),
    replier: createGmailReplier({ client, scrub }),
    keeperTask: (accept) => createGmailKeeperTask({ ...kept, accept }),
  };
}
