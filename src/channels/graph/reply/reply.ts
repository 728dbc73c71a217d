import { defined } from '../../../core/defined.ts';
import { type ErrorDetail, SallyportError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json/json-text.ts';
import type { Logger } from '../../../core/logger.ts';
import { detailOf, failureOfThrown, provesRefusal } from '../../../net/call-outcome.ts';
import type { Replier, ReplyContext, ReplyMessage, ReplyResult, SendContext } from '../../channel.ts';
import { renderMail } from '../../shared/markdown/mail.ts';
import { ask, detailOfAnswer, type GraphAnswer, type GraphApi, isOk } from '../api/graph-api.ts';
import { REPLY_HEADER, REPLY_PROPERTY } from '../read/mail.ts';
import { pathOf } from '../read/reader.ts';
import type { ObjectRef } from '../resource.ts';
import { graphTiming } from '../settings.ts';
import { readDestination } from './destination.ts';

type MailRef = Extract<ObjectRef, { kind: 'mail' }>;

/**
 * Refusals after which Graph certainly has not sent anything and may later: a token that was revoked, a mailbox that is
 * being moved (423), throttling (429).
 */
const passing: ReadonlySet<number> = new Set([401, 423, 429]);

/**
 * Answers mail. Chats and channels take messages of an app only while content is being migrated
 * (learn.microsoft.com/graph/api/chat-post-messages), so Teams is answered by the bot of the `teams` channel.
 */
export function createGraphReplier({ api, logger }: { readonly api: GraphApi; readonly logger: Logger }): Replier {
  return {
    timing: graphTiming,
    async send(message, context) {
      const mail = mailOf(context);
      const answer = await post(api, mail, bodyOf(message, context.replyId), context);
      if (answer !== null && isOk(answer)) return { kind: 'delivered' };
      const { tenant, eventId } = context;
      const why = answer === null ? undefined : detailOfAnswer(answer).reason;
      logger.warn({ tenant, eventId, channel: 'graph', status: answer?.status ?? 0, why }, 'reply.failed');
      return verdictOn(answer);
    },
    async find(context) {
      const mail = mailOf(context);
      const found = await search(api, mail, context);
      if (found.some(({ isDraft }) => isDraft !== true)) return 'delivered';
      // A draft is a reply that Graph has begun to send; nobody can tell whether it will.
      return found.length > 0 ? 'unknown' : 'absent';
    },
  };
}

function mailOf({ destination }: ReplyContext): MailRef {
  const parsed = readDestination(destination);
  if (parsed?.kind === 'mail') return parsed;
  throw new SallyportError('ERR_REPLY_REJECTED', 'an app cannot post to chats and channels: answer there as a bot');
}

/** Null when no answer came to what was sent. A token that could not be had is a refusal: nothing was sent. */
async function post(
  api: GraphApi,
  mail: MailRef,
  body: JsonObject,
  { signal, begin }: SendContext,
): Promise<GraphAnswer | null> {
  try {
    return await api({ method: 'POST', path: `${pathOf(mail)}/reply`, body, signal, begin });
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    if (error.code === 'ERR_SOURCE_REJECTED') throw refused(error.detail);
    if (error.code === 'ERR_SOURCE_UNAVAILABLE') throw unavailable(error.detail);
    if (error.code !== 'ERR_OUTBOUND_FAILED') throw error;
    const failure = failureOfThrown(error);
    if (failure.kind === 'ambiguous') return null;
    throw failure.kind === 'rejected' ? refused(detailOf(failure)) : unavailable(detailOf(failure));
  }
}

/** One call and no draft, so nothing is left behind half done. The id travels inside, to be found again. */
const bodyOf = (reply: ReplyMessage, replyId: string): JsonObject => ({
  message: {
    body: contentOf(reply),
    singleValueExtendedProperties: [{ id: REPLY_PROPERTY, value: replyId }],
    internetMessageHeaders: [
      { name: REPLY_HEADER, value: replyId },
      // Asks the other side's out-of-office not to answer (MS-OXCMAIL, 2.2.3.2.14).
      { name: 'x-auto-response-suppress', value: 'OOF, AutoReply' },
    ],
  },
});

/**
 * UTF-16 code units of a reply. Graph refuses larger requests with 413, "the maximum request length supported is 4MB";
 * no form multiplies a text by as much as five.
 */
const MAX_CHARS = 200_000;

/** Graph takes one body; Exchange makes the plain text of an HTML one. */
function contentOf({ text, disclosure }: ReplyMessage): JsonObject {
  const { plain, html } = renderMail(text, disclosure, MAX_CHARS);
  return html === undefined ? { contentType: 'text', content: plain } : { contentType: 'html', content: html };
}

function verdictOn(answer: GraphAnswer | null): ReplyResult {
  if (answer === null) return { kind: 'ambiguous' };
  if (passing.has(answer.status)) throw unavailable(detailOfAnswer(answer));
  if (provesRefusal(answer.status)) throw refused(detailOfAnswer(answer));
  return { kind: 'ambiguous', ...defined({ why: detailOfAnswer(answer).reason }) };
}

async function search(api: GraphApi, { mailbox }: MailRef, { replyId, signal }: ReplyContext): Promise<JsonObject[]> {
  const query = {
    $filter: `singleValueExtendedProperties/any(p: p/id eq '${REPLY_PROPERTY}' and p/value eq '${replyId}')`,
    $select: 'id,isDraft',
    $top: '5',
  };
  const path = `/users/${encodeURIComponent(mailbox)}/messages`;
  try {
    const { body } = await ask(api, { method: 'GET', path, query, signal });
    return Array.isArray(body.value) ? body.value : [];
  } catch (error) {
    throw error instanceof SallyportError && error.code === 'ERR_SOURCE_REJECTED'
      ? error
      : unavailable({ cause: error });
  }
}

const refused = (detail: ErrorDetail): SallyportError =>
  new SallyportError('ERR_REPLY_REJECTED', 'Graph refuses the reply', detail);

const unavailable = (detail: ErrorDetail): SallyportError =>
  new SallyportError('ERR_REPLY_UNAVAILABLE', 'Graph did not take the reply', detail);
