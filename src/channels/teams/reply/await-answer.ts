import type { EventRecord } from '../../../core/event.ts';
import type { Answer, Respond } from '../../channel.ts';
import type { Candidate } from '../receive/candidate.ts';
import { renderTeamsMarkdown } from './render.ts';

/** Below the 5 s that Teams waits for an outgoing webhook and for a message extension. */
const SHORT_MS = 4_500;
/** Below the 15 s that the connector waits for anything else before it sends the activity again. */
const LONG_MS = 12_000;

/** What people read when there is no reply yet, and when there will be none. */
const LATE = 'This is taking longer than Teams waits for an answer. Please ask again in a moment.';
const FAILED = 'Sorry, this could not be answered.';
const HELD = 'Somebody has to look at the answer first, and it cannot be shown here. Please write to me directly.';

/** How long the sender of such an activity is kept waiting, in ms; undefined where it is not. */
export function waitMsOf({ answerBy }: Pick<Candidate, 'answerBy'>): number | undefined {
  if (answerBy === 'message') return undefined;
  return answerBy === 'replies' ? LONG_MS : SHORT_MS;
}

/** For activities that want their answer in the response; undefined for those that are answered by a message later. */
export function respondTo(candidate: Candidate): Respond | undefined {
  const timeoutMs = waitMsOf(candidate);
  if (timeoutMs === undefined) return undefined;
  return async (results) => {
    const [record = null] = await results(timeoutMs);
    return json(bodyOf(candidate, textOf(record)));
  };
}

function bodyOf({ answerBy, operation }: Candidate, text: string | undefined): object {
  if (answerBy === 'replies') return { activities: text === undefined ? [] : [messageOf(text)] };
  return answerBy === 'webhook' ? messageOf(text ?? '') : invokeBody(operation, text);
}

/** In the form in which messages are posted, which is what Teams takes a text for that says nothing else. */
const messageOf = (markdown: string): object => ({ type: 'message', text: renderTeamsMarkdown(markdown) });

/** Undefined when the agent had nothing to say. */
function textOf(record: EventRecord | null): string | undefined {
  if (record === null) return LATE;
  if (record.state === 'review') return HELD;
  // What was held or rejected is in the record too, and nobody may see it here.
  const sent = record.runs.findLast(({ reply }) => reply?.state === 'delivered' || reply?.state === 'unsent');
  if (sent !== undefined) return sent.reply?.text;
  return record.state === 'done' && record.review === undefined ? undefined : FAILED;
}

/** A plain text in the shape that the operation's caller shows; the rest takes any JSON. */
function invokeBody(operation: string, text: string | undefined): object {
  if (text === undefined) return {};
  if (operation === 'adaptiveCard/action') {
    return { statusCode: 200, type: 'application/vnd.microsoft.activity.message', value: text };
  }
  if (operation.startsWith('composeExtension/query') || operation === 'composeExtension/selectItem') {
    return { composeExtension: { type: 'message', text } };
  }
  if (operation.startsWith('task/') || operation.startsWith('composeExtension/')) {
    return { task: { type: 'message', value: text } };
  }
  return { type: 'message', text };
}

const json = (body: object): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
