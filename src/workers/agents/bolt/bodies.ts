import type { StringIndexed } from '@slack/bolt';
import type { InboundEvent } from '../../../core/event.ts';
import { isJsonObject } from '../../../core/json/json.ts';

/** What the gate took out of a payload and kept sealed. */
export interface Capabilities {
  readonly responseUrl: string | null;
  readonly triggerId: string | null;
}

/**
 * What Slack delivered, as Bolt takes it: the stored payload, scrubbed, with its capabilities back in place. Two for a
 * message that names the bot: Slack sends it as `message` and as `app_mention`, and the gate makes one event of both.
 */
export function bodiesOf(event: InboundEvent, { responseUrl, triggerId }: Capabilities): StringIndexed[] {
  if (!isJsonObject(event.payload)) return [];
  // Listeners may change what they get; nobody else does.
  const body: StringIndexed = structuredClone(event.payload);
  if (triggerId !== null) body.trigger_id = triggerId;
  if (responseUrl !== null) giveBack(body, responseUrl);
  const mention = mentionOf(event, body);
  return mention === null ? [body] : [body, mention];
}

/** Views name where responses go in a list, everything else by itself. */
function giveBack(body: StringIndexed, responseUrl: string): void {
  const [first] = Array.isArray(body.response_urls) ? body.response_urls : [];
  if (isJsonObject(first)) body.response_urls[0] = { ...first, response_url: responseUrl };
  else body.response_url = responseUrl;
}

/** In direct messages Slack sends no `app_mention`. */
function mentionOf({ mentioned }: InboundEvent, body: StringIndexed): StringIndexed | null {
  const { event } = body;
  if (!mentioned || !isJsonObject(event) || event.type !== 'message' || event.channel_type === 'im') return null;
  const { channel_type: _, subtype: __, ...mention } = structuredClone(event);
  return { ...structuredClone(body), event: { ...mention, type: 'app_mention' } };
}
