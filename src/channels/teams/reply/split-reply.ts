import { splitMarkdown } from '../../shared/markdown/split.ts';
import { renderTeamsMarkdown } from './render.ts';

/**
 * UTF-16 code units. Microsoft has published 28 KB, 40 KB and 100 KB for a bot's message, counted in UTF-16 with all that
 * is around the text, and 80 KB as safe (learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages).
 * 24 KB of text is below each of them.
 */
const MESSAGE_CHARS = 12_000;

/** As in Slack: one reply does not fill a channel. */
const MAX_MESSAGES = 10;

/** Eight messages in two seconds to one conversation (learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit). */
export const PACE_MS = 300;

/** The messages that a reply becomes in Teams, each Markdown. */
export const splitReply = (text: string): readonly string[] =>
  splitMarkdown(text, {
    size: MESSAGE_CHARS,
    messages: MAX_MESSAGES,
    sizeOf: (markdown) => renderTeamsMarkdown(markdown).length,
  });
