import { currentHistoryId } from '../read/messages.ts';
import type { GmailClient } from './client.ts';
import { GmailFailure } from './failure.ts';

/**
 * Whether Gmail lets us read every mailbox; says so in a line.
 * @throws Error whose text names the setting to look at
 */
export async function examineGmail(
  client: GmailClient,
  mailboxes: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  if (mailboxes.length === 0) throw new Error('GMAIL_MAILBOXES: is empty, so every push is ignored');
  let refused = 0;
  for (const mailbox of mailboxes) {
    try {
      await currentHistoryId(client, mailbox, signal);
    } catch (error) {
      if (!(error instanceof GmailFailure)) throw error;
      refused += 1;
    }
  }
  if (refused === 0) return `${mailboxes.length} mailboxes can be read`;
  throw new Error(`GOOGLE_APPLICATION_CREDENTIALS: ${refused} of ${mailboxes.length} mailboxes cannot be read`);
}
