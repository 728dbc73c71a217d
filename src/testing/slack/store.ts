/** A message as Slack keeps it, with the fields its Web API returns. */
export interface SlackStoredMessage {
  readonly type: 'message';
  readonly ts: string;
  readonly thread_ts?: string;
  readonly text: string;
  readonly user: string;
  readonly bot_id: string;
  readonly app_id: string;
  readonly metadata?: unknown;
}

export interface SlackPage {
  readonly messages: readonly SlackStoredMessage[];
  readonly has_more: boolean;
  readonly response_metadata: { readonly next_cursor: string };
}

export interface SlackPageQuery {
  readonly channel: string;
  /** A thread's root: its replies, oldest first. Absent: what stands in the channel itself, newest first. */
  readonly thread?: string;
  readonly oldest: number;
  readonly limit: number;
  readonly cursor: string;
  readonly withMetadata: boolean;
}

export interface SlackStore {
  add(channel: string, message: Omit<SlackStoredMessage, 'ts' | 'type'>): SlackStoredMessage;
  page(query: SlackPageQuery): SlackPage;
}

/** The messages of a workspace, by channel, as `conversations.history` and `conversations.replies` page through them. */
export function createSlackStore(clock: () => number): SlackStore {
  const channels = new Map<string, SlackStoredMessage[]>();
  let counter = 0;
  return {
    add(channel, message) {
      counter += 1;
      const ts = `${Math.floor(clock() / 1000)}.${String(counter).padStart(6, '0')}`;
      const stored: SlackStoredMessage = { type: 'message', ts, ...message };
      channels.set(channel, [...(channels.get(channel) ?? []), stored]);
      return stored;
    },
    page({ channel, thread, oldest, limit, cursor, withMetadata }) {
      const all = (channels.get(channel) ?? []).filter((one) => Number(one.ts) > oldest);
      const found =
        thread === undefined
          ? all.filter((one) => one.thread_ts === undefined).reverse()
          : all.filter((one) => one.thread_ts === thread || one.ts === thread);
      const start = cursor === '' ? 0 : Number(cursor.slice('page:'.length));
      const end = start + limit;
      const isMore = end < found.length;
      return {
        messages: found.slice(start, end).map((one) => (withMetadata ? one : withoutMetadata(one))),
        has_more: isMore,
        response_metadata: { next_cursor: isMore ? `page:${end}` : '' },
      };
    },
  };
}

function withoutMetadata({ metadata: _, ...rest }: SlackStoredMessage): SlackStoredMessage {
  return rest;
}
