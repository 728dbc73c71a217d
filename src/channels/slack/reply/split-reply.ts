import { splitMarkdown } from '../../shared/markdown/split.ts';
import type { Destination } from './destination.ts';
import { renderMrkdwn } from './render.ts';

/**
 * "For best results, limit the number of characters in the text field to 4,000"; Slack cuts after 40,000
 * (docs.slack.dev/reference/methods/chat.postMessage).
 */
const MESSAGE_CHARS = 4_000;

/** So that one reply does not fill a channel, and ends before the pace has held it up for long. */
const MAX_MESSAGES = 10;

/** "One message per second per channel" (docs.slack.dev/apis/web-api/rate-limits). */
export const PACE_MS = 1_000;

/** A `response_url` may be used five times (docs.slack.dev/interactivity/handling-user-interaction). */
const MAX_RESPONSES = 5;

/** The messages that a reply becomes in Slack, each Markdown. */
export const splitReply = (text: string, via: Destination['via'] | undefined): readonly string[] =>
  splitMarkdown(text, {
    size: MESSAGE_CHARS,
    messages: via === 'response_url' ? MAX_RESPONSES : MAX_MESSAGES,
    sizeOf: (markdown) => renderMrkdwn(markdown).length,
  });
