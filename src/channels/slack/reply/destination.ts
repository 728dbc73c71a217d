import { z } from 'zod';

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
