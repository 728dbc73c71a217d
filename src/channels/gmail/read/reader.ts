import { z } from 'zod';
import { codeOf, SallyportError } from '../../../core/errors.ts';
import type { InboundEvent } from '../../../core/event.ts';
import type { Read, ReadContext, Reader } from '../../channel.ts';
import { sourceError } from '../api/failure.ts';
import { historyIdSchema } from '../receive/parse.ts';
import type { SyncDeps } from '../sync/session.ts';
import { syncMailbox } from '../sync/sync.ts';
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
export function createGmailReader(deps: SyncDeps): Reader {
  return {
    async read(event, context) {
      try {
        return event.kind === 'message'
          ? await readMessage(event.destination, context.signal, deps)
          : await readHint(event, context, deps);
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

async function readHint({ payload, receivedAt }: InboundEvent, context: ReadContext, deps: SyncDeps): Promise<Read> {
  const { mailbox, historyId, publishedAt } = hint.parse(payload);
  const { signal, accept } = context;
  const startedAt = (publishedAt ?? receivedAt) - FIRST_PUSH_MS;
  await syncMailbox({ mailbox, pushed: historyId ?? null, startedAt, signal, accept }, deps);
  return { kind: 'handled' };
}
