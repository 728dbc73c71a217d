import * as z from 'zod';
import type { Clock } from '../../../core/clock.ts';
import { codeOf, SallyportError } from '../../../core/errors.ts';
import type { InboundEvent } from '../../../core/event.ts';
import type { Read, ReadContext, Reader } from '../../channel.ts';
import type { GmailClient } from '../api/client.ts';
import { sourceError } from '../api/failure.ts';
import { historyIdSchema } from '../receive/parse.ts';
import type { Mailboxes } from '../sync/mailbox-state.ts';
import type { SyncMailbox } from '../sync/sync.ts';
import { readMessage } from './read-message.ts';

/** What `pushEvent` and `pollEvent` wrote. */
const hint = z.object({
  mailbox: z.string(),
  historyId: historyIdSchema.optional(),
  publishedAt: z.number().nullish(),
});

/**
 * How long before its first push a mailbox is taken to be ours, in ms, where no watch of ours began it: the mail that
 * caused the push is older than the push, and pushes may be late.
 */
const FIRST_PUSH_MS = 5 * 60_000;

const UNAVAILABLE: Read = { kind: 'ignored', reason: 'source_unavailable' };

/**
 * What the worker does with Gmail's events: a push or a poll brings its mailbox up to date, a message is fetched for the
 * agent. Every step may be repeated.
 */
export function createGmailReader({
  syncMailbox,
  client,
  mailboxes,
  clock,
}: {
  readonly syncMailbox: SyncMailbox;
  readonly client: GmailClient;
  readonly mailboxes: Mailboxes;
  readonly clock: Clock;
}): Reader {
  const readHint = async ({ payload, receivedAt }: InboundEvent, { signal, accept }: ReadContext): Promise<Read> => {
    const { mailbox, historyId, publishedAt } = hint.parse(payload);
    const startedAt = (publishedAt ?? receivedAt) - FIRST_PUSH_MS;
    await syncMailbox({ mailbox, pushed: historyId ?? null, startedAt, signal, accept });
    return { kind: 'handled' };
  };

  return {
    async read(event, context) {
      try {
        return event.kind === 'message'
          ? await readMessage(event.destination, context.signal, { client, mailboxes, clock })
          : await readHint(event, context);
      } catch (error) {
        // Stopped half way, for whatever reason: another attempt goes on from there.
        if (context.signal.aborted) throw new SallyportError('ERR_SOURCE_UNAVAILABLE', 'the attempt was aborted');
        const failure = sourceError(error);
        // Nobody waits for a poll, and the next one comes in minutes: it would only be parked to be looked at.
        if (event.kind === 'poll' && codeOf(failure) === 'ERR_SOURCE_UNAVAILABLE') return UNAVAILABLE;
        throw failure;
      }
    },
  };
}
