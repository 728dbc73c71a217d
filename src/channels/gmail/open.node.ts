import { setTimeout as delay } from 'node:timers/promises';
import { defined } from '../../core/defined.ts';
import { SallyportError } from '../../core/errors.ts';
import type { NodeHalf } from '../module.node.ts';
import type { OpenFetch } from '../module.ts';
import type { GmailClient } from './api/client.ts';
import { GmailFailure } from './api/failure.ts';
import { currentHistoryId } from './read/messages.ts';
import { createGmailReader } from './read/reader.ts';
import { createGmailReplier } from './reply/reply.ts';
import type { GmailConfig } from './settings.ts';
import { createMailboxes, createWatches } from './sync/mailbox-state.ts';
import { createGmailKeeperTask } from './sync/subscriptions.ts';
import { createSyncMailbox } from './sync/sync.ts';

/** One call to Gmail that does not post a reply, in ms; also what `sallyport doctor` waits for. */
const CALL_MS = 10_000;
/** A message with all its text; attachments are not among it. Gmail itself takes 25 MB of mail. */
const MAX_BYTES = 32 * 1024 * 1024;

const loadClient = () => import('./api/client.ts');

export const gmailNode: NodeHalf<GmailConfig> = {
  load: loadClient,
  open(
    gmail,
    { tenant, openFetch, identifier, clock, records, acquire, accept, scrub, logger, replyTimeoutMs, ...deps },
  ) {
    const client = openClient(gmail, openFetch, replyTimeoutMs);
    const base = { identifier, tenant, client, mailboxes: createMailboxes(records, tenant), clock };
    const pause = (ms: number, signal: AbortSignal): Promise<void> => delay(ms, undefined, { signal });
    const boxes = gmail.mailboxes.map((mailbox) => mailbox.toLowerCase());
    const topic = defined({ topic: gmail.topic });
    return {
      reader: createGmailReader({ ...base, syncMailbox: createSyncMailbox({ ...base, acquire, pause, logger }) }),
      replier: createGmailReplier({ client, scrub }),
      task: createGmailKeeperTask({
        ...base,
        ...topic,
        watches: createWatches(records, tenant),
        boxes,
        random: Math.random,
        pollAfterMs: deps.isStandIn === true ? null : gmail.pollAfter,
        accept,
      }),
    };
  },
  checks(gmail, { tenant, openFetch }) {
    if (gmail.mailboxes.length === 0) {
      const warning = 'GMAIL_MAILBOXES: is empty, so every push is ignored';
      return [{ name: `gmail (${tenant})`, run: () => Promise.reject(new Error(warning)) }];
    }
    const client = openClient(gmail, openFetch);
    return gmail.mailboxes.map((mailbox) => ({
      name: `gmail (${tenant}, ${mailbox})`,
      run: () => examineMailbox(client, mailbox, AbortSignal.timeout(CALL_MS)),
    }));
  },
  sample: async () => (await import('./sample.node.ts')).gmailSample,
  onboarding: async () => (await import('./onboarding.node.ts')).gmailOnboarding,
};

/**
 * Google's library costs a process 100 ms and 15 MB, so it is loaded with the first call. `replyTimeoutMs`: time limit of
 * the call that posts a reply.
 */
function openClient(
  { baseUrl, credentialsFile }: GmailConfig,
  openFetch: OpenFetch,
  replyTimeoutMs = CALL_MS,
): GmailClient {
  const limits = { timeoutMs: Math.max(CALL_MS, replyTimeoutMs), maxBytes: MAX_BYTES };
  const fetch = openFetch([baseUrl], limits);
  const open = async (): Promise<GmailClient> => {
    const { createGmailClient } = await loadClient();
    const { createCredentials, noCredentials } = await import('./api/client.ts');
    const keyFile = defined({ keyFile: credentialsFile });
    // Plain http is only ever a local server, which must not be shown a token of Google's.
    const isLocal = baseUrl.startsWith('http:');
    const credentials = isLocal ? noCredentials : createCredentials({ ...keyFile, fetch });
    return createGmailClient({ baseUrl, credentials, fetch, timeoutMs: CALL_MS });
  };
  let opened: Promise<GmailClient> | undefined;
  return {
    async call(...args) {
      opened ??= open();
      return (await opened).call(...args);
    },
  };
}

/** @throws SallyportError with Google's word for why the mailbox cannot be read */
async function examineMailbox(client: GmailClient, mailbox: string, signal: AbortSignal): Promise<string> {
  try {
    await currentHistoryId(client, mailbox, signal);
    return 'can be read';
  } catch (error) {
    if (!(error instanceof GmailFailure)) throw error;
    const reason = error.reason === '' && error.status !== null ? `http_${error.status}` : error.reason;
    throw new SallyportError('ERR_SOURCE_REJECTED', 'GOOGLE_APPLICATION_CREDENTIALS: the mailbox cannot be read', {
      reason,
    });
  }
}
