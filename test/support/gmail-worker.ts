import type { ParsedEvent, Read, Reader } from '../../src/channels/channel.ts';
import { createGmailClient, noCredentials } from '../../src/channels/gmail/api/client.ts';
import { createGmailReader } from '../../src/channels/gmail/read/reader.ts';
import { pushEvent } from '../../src/channels/gmail/receive/identify.ts';
import { createMailboxes, type Mailboxes } from '../../src/channels/gmail/sync/mailbox-state.ts';
import { createSyncMailbox } from '../../src/channels/gmail/sync/sync.ts';
import type { InboundEvent } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { Store } from '../../src/queue/store.ts';
import { prepare } from '../../src/server/hooks/prepare.ts';
import type { FakeClock } from './clock.ts';
import { identifier, MAILBOX, SUBSCRIPTION, scrub, sealer } from './gmail.ts';

export const TENANT = 'acme';

export const prepared = (events: readonly ParsedEvent[]): readonly InboundEvent[] =>
  prepare({ events, refused: [] }, { scrub, sealer }).events;

export interface GmailWorkerOptions {
  readonly store: Store;
  readonly url: string;
  readonly clock: FakeClock;
  /** A call's time limit in real milliseconds. */
  readonly timeoutMs?: number;
  readonly overrides?: Partial<Parameters<typeof createSyncMailbox>[0]>;
}

export interface GmailWorker {
  readonly deps: Parameters<typeof createSyncMailbox>[0];
  readonly reader: Reader;
  readonly mailboxes: Mailboxes;
  /** Waits the reader asked for, in ms; the clock was moved instead. */
  readonly pauses: number[];
  /** What the reader makes of a push. `accept` stands in for the store's. */
  push(historyId: string, accept?: (events: readonly ParsedEvent[]) => Promise<void>): Promise<Read>;
  read(event: InboundEvent): Promise<Read>;
  readonly accept: (events: readonly ParsedEvent[]) => Promise<void>;
  /** Gmail ids of all messages that were accepted, sorted. */
  accepted(): Promise<string[]>;
}

let pushes = 0;

/** Gmail's half of a worker over a real store and a local Gmail. */
export function openGmailWorker({ store, url, clock, timeoutMs = 5_000, overrides }: GmailWorkerOptions): GmailWorker {
  const pauses: number[] = [];
  const mailboxes = createMailboxes(store.records, TENANT);
  const deps: Parameters<typeof createSyncMailbox>[0] = {
    identifier,
    tenant: TENANT,
    client: createGmailClient({ baseUrl: url, credentials: noCredentials, fetch, timeoutMs }),
    mailboxes,
    acquire: store.lease.acquire,
    clock: clock.now,
    pause: async (ms) => {
      pauses.push(ms);
      clock.advance(ms);
    },
    logger: silentLogger,
    ...overrides,
  };
  const reader = createGmailReader({ ...deps, syncMailbox: createSyncMailbox(deps) });
  const accept = async (events: readonly ParsedEvent[]): Promise<void> => {
    await store.inbox.accept(prepared(events));
  };
  const signal = new AbortController().signal;
  const read = (event: InboundEvent, taken = accept) =>
    reader.read(event, { signal, eligibleAt: event.receivedAt, accept: taken });
  return {
    deps,
    reader,
    mailboxes,
    pauses,
    accept,
    read,
    push(historyId, taken) {
      pushes += 1;
      const push = { mailbox: MAILBOX, historyId, messageId: String(pushes), publishedAt: clock.now(), isRetry: false };
      const [event] = prepared([pushEvent(push, SUBSCRIPTION, 1000, clock.now(), { identifier, tenant: TENANT })]);
      if (event === undefined) throw new Error('the push was quarantined');
      return read(event, taken);
    },
    async accepted() {
      const { events } = await store.events.list(TENANT, { limit: 200 });
      return events
        .filter(({ event }) => event.kind === 'message')
        .map(({ event }) => String((event.payload as { messageId: string }).messageId))
        .sort();
    },
  };
}
