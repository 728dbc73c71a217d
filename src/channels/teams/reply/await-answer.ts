import type { EventRecord } from '../../../core/event.ts';
import type { Answer, Respond } from '../../channel.ts';
import type { ReadMarkdown } from '../../shared/markdown/tree.ts';
import type { Candidate } from '../receive/candidate.ts';
import { aiLabel, renderTeams } from './render.ts';

/** What people read when there is no reply yet, and when there will be none. */
const LATE = 'This is taking longer than Teams waits for an answer. Please ask again in a moment.';
const FAILED = 'Sorry, this could not be answered.';
const HELD = 'Somebody has to look at the answer first, and it cannot be shown here. Please write to me directly.';

/**
 * The answer of an activity that wants it in the response, within `timeoutMs`. `readMarkdown` is undefined in a runtime
 * that never has the reply: the sender is then told to ask again.
 */
export const respondTo =
  (candidate: Candidate, timeoutMs: number, readMarkdown: ReadMarkdown | undefined): Respond =>
  async (results) => {
    const [record = null] = await results(timeoutMs);
    const { text, disclosure } = readMarkdown === undefined ? { text: LATE } : answerOf(record);
    // Our own texts have no markup.
    const render = (markdown: string) => (readMarkdown === undefined ? markdown : renderTeams(readMarkdown(markdown)));
    return json(bodyOf(candidate, text, disclosure, render));
  };

/** Messages have the form in which they are posted, which is what Teams takes a text for that says nothing else. */
function bodyOf(
  { answerBy, operation }: Candidate,
  text: string | undefined,
  disclosure: string | undefined,
  render: (markdown: string) => string,
): object {
  const message = { type: 'message', text: render(text ?? ''), ...aiLabel(disclosure) };
  if (answerBy === 'replies') return { activities: text === undefined ? [] : [message] };
  return answerBy === 'webhook'
    ? message
    : invokeBody(operation, disclosure === undefined ? text : `${text}\n\n${disclosure}`);
}

/** Without a text when the agent had nothing to say. */
function answerOf(record: EventRecord | null): { readonly text?: string; readonly disclosure?: string } {
  if (record === null) return { text: LATE };
  if (record.state === 'review') return { text: HELD };
  // What was held or rejected is in the record too, and nobody may see it here.
  const sent = record.runs.findLast(({ reply }) => reply?.state === 'delivered' || reply?.state === 'unsent');
  if (sent?.reply !== undefined) return sent.reply;
  return record.state === 'done' && record.review === undefined ? {} : { text: FAILED };
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
