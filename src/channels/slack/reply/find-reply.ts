import * as z from 'zod';
import type { CallFailure } from '../../../net/call-outcome.ts';
import { type CallWebApi, replyError } from './web-api.ts';

/** `event_type` of the metadata on every message we post; `event_payload.reply_id` names the reply. */
export const METADATA_TYPE = 'sallyport_reply';

/** Slack's recommended page. */
const PAGE = 200;
/** Pages looked at: a thousand messages since the attempt. In a busier place nobody can say that it is not there. */
const MAX_PAGES = 5;
/** How far our clock may be from Slack's, as with signatures. Looking further back costs nothing, the id is unique. */
const CLOCK_SKEW_MS = 300_000;

const message = z.looseObject({
  bot_id: z.string().nullish(),
  user: z.string().nullish(),
  metadata: z
    .looseObject({
      event_type: z.string(),
      event_payload: z.looseObject({ reply_id: z.unknown().optional() }).nullish().catch(null),
    })
    .nullish(),
});

const pageSchema = z.looseObject({
  messages: z.array(message),
  has_more: z.boolean().nullish(),
  response_metadata: z.looseObject({ next_cursor: z.string().nullish() }).nullish(),
});

export interface Search {
  readonly destination: Destination;
  readonly account: ReplyAccount;
  readonly replyId: string;
  /** Epoch ms. */
  readonly sinceMs: number;
  readonly signal: AbortSignal;
}

export type Found = 'delivered' | 'absent' | 'unknown';

/**
 * Looks for the reply where it would be. `absent` only after a complete look.
 * @throws SallyportError ERR_REPLY_UNAVAILABLE when Slack cannot be asked now
 */
export async function findReply(search: Search, callWebApi: CallWebApi): Promise<Found> {
  let cursor: string | undefined;
  let isDoubtful = false;
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const page = await readPage(search, cursor, callWebApi);
    if (page === 'unknown') return page;
    if (page.messages.some((one) => isReply(one, search.replyId))) return 'delivered';
    isDoubtful ||= await hasBareMessageOfOurs(page.messages, search);
    cursor = page.response_metadata?.next_cursor || undefined;
    if (cursor === undefined) return isDoubtful || page.has_more ? 'unknown' : 'absent';
  }
  return 'unknown';
}

/** Our own message without metadata: Slack does not show us any (a missing scope), so this one could be the reply. */
async function hasBareMessageOfOurs(messages: readonly Message[], { account, signal }: Search): Promise<boolean> {
  const bare = messages.filter((one) => one.bot_id && !one.metadata);
  if (bare.length === 0) return false;
  const own = await account.ownIds(signal);
  return own === undefined || bare.some((one) => one.bot_id === own.botId || one.user === own.botUserId);
}

async function readPage(
  { destination, account, sinceMs, signal }: Search,
  cursor: string | undefined,
  callWebApi: CallWebApi,
): Promise<z.infer<typeof pageSchema> | 'unknown'> {
  const { channel, thread } = destination;
  const outcome = await callWebApi({
    method: thread === undefined ? 'conversations.history' : 'conversations.replies',
    token: account.token,
    signal,
    arguments: {
      channel,
      ts: thread,
      oldest: ((sinceMs - CLOCK_SKEW_MS) / 1000).toFixed(6),
      include_all_metadata: true,
      limit: PAGE,
      cursor,
    },
  });
  if (outcome.kind === 'ok') return pageSchema.safeParse(outcome.value).data ?? 'unknown';
  return unreadable(outcome);
}

/** A question has no effect, so an ambiguous answer is only one that did not arrive: ask again later. */
function unreadable(failure: CallFailure): 'unknown' {
  if (failure.kind === 'rejected') return 'unknown';
  throw replyError(failure.kind === 'ambiguous' ? { kind: 'unavailable', why: failure.why } : failure);
}

type Message = z.infer<typeof message>;

const isReply = ({ metadata }: Message, replyId: string): boolean =>
  metadata?.event_type === METADATA_TYPE && metadata.event_payload?.reply_id === replyId;

/** Where a reply goes, as `candidate.ts` writes it into the event. */
export const destinationSchema = z.looseObject({
  via: z.enum(['message', 'response_url']),
  channel: z.string().optional(),
  thread: z.string().optional(),
  workspace: z.string().optional(),
  app: z.string().optional(),
});
export type Destination = z.infer<typeof destinationSchema>;

/** The bot's own ids, by which its messages are known. */
export interface BotIds {
  readonly botUserId: string | undefined;
  readonly botId: string | undefined;
}

/** Whom we post as. */
export interface ReplyAccount {
  readonly token: string;
  /** Undefined when Slack would not say. */
  ownIds(signal: AbortSignal): Promise<BotIds | undefined>;
}
