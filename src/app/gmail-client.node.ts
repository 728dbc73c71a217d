import type { GmailClient } from '../channels/gmail/api/client.ts';
import type { GmailConfig } from '../channels/gmail/settings.ts';
import type { Clients } from '../net/clients.ts';

/** One call to Gmail that does not post a reply, in ms. */
const CALL_MS = 10_000;
/** A message with all its text; attachments are not among it. Gmail itself takes 25 MB of mail. */
const MAX_BYTES = 32 * 1024 * 1024;

/**
 * Google's library costs a process 100 ms and 15 MB, so it is loaded with the first call. `replyTimeoutMs`: time limit of
 * the call that posts a reply.
 */
export function openGmailClient(
  { baseUrl, credentialsFile }: GmailConfig,
  clients: Clients,
  replyTimeoutMs = CALL_MS,
): GmailClient {
  const limits = { timeoutMs: Math.max(CALL_MS, replyTimeoutMs), maxBytes: MAX_BYTES };
  const { fetch } = clients.open('vendor', [baseUrl], limits);
  const open = async (): Promise<GmailClient> => {
    const { createGmailClient } = await import('../channels/gmail/api/client.ts');
    const { createCredentials, noCredentials } = await import('../channels/gmail/api/credentials.ts');
    const keyFile = credentialsFile === undefined ? {} : { keyFile: credentialsFile };
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
