import type { Sender } from './sender.ts';
import { slackSender } from './slack.ts';

/** Every channel `send` speaks. */
export const senders: readonly Sender[] = [slackSender];
