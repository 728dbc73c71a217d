import { type Author, ERASED_AUTHOR, type InboundEvent } from '../../core/event.ts';
import { isJsonObject, type JsonValue } from '../../core/json/json-text.ts';
import { foldedId, isSamePerson, type Person } from '../erasure.ts';
import { closeRun, isInLine, type Progress } from './transitions.ts';

/** Where an event's record and journal say who wrote it. */
export interface Traces {
  readonly event: Pick<InboundEvent, 'channel' | 'author'>;
  /** Of its held reply. */
  readonly requester: Author | undefined;
  /** `ASKER_STEP` and `TURN_STEP` of its journal. */
  readonly asker: JsonValue | undefined;
  readonly turn: JsonValue | undefined;
}

/**
 * Whether the person wrote the event. Graph and Gmail name nobody in what they deliver; there the journal has who it was
 * as the channel's reader found them.
 */
export function isOf({ channel, user }: Pick<Person, 'channel' | 'user'>, traces: Traces): boolean {
  const { event, requester, asker, turn } = traces;
  if (event.channel !== channel) return false;
  const known = [event.author, requester].flatMap((author) => (author?.kind === 'user' ? [author.id] : []));
  const journalled = [isJsonObject(asker) ? asker.id : undefined, isJsonObject(turn) ? turn.author : undefined];
  return [...known, ...journalled].some((id) => typeof id === 'string' && isSamePerson(id, user));
}

/** The event without anything that was said or that tells who said it. */
export function erasedEvent(event: InboundEvent, user: string, now: number): InboundEvent {
  const { conversation } = event;
  const isNamedAfter = foldedId(conversation.name).includes(foldedId(user));
  return {
    ...event,
    conversation: isNamedAfter ? { ...conversation, name: 'erased' } : conversation,
    author: ERASED_AUTHOR,
    text: '',
    destination: {},
    payload: null,
    sealed: {},
    erasedAt: now,
  };
}

/** What becomes of the event's record. Whatever could still run, or be run again, ends for good. */
export function erasedProgress(event: Progress, now: number): Progress {
  const { runs, ...rest } = closeRun(event, { outcome: 'ignored', code: 'ERR_ERASED' }, now);
  const erased = { ...rest, runs: runs.map(({ reply: _, ...run }) => run), review: null };
  return isUnfinished(event) ? { ...erased, state: 'ignored', failure: 'ERR_ERASED' } : erased;
}

/** Whether it runs, waits, or can be run again. */
export const isUnfinished = ({ state }: Pick<Progress, 'state'>): boolean =>
  isInLine(state) || state === 'review' || state === 'parked';
