import { isJsonObject } from '../../../core/json/json.ts';
import { isCapability } from './clean.ts';
import { type Activity, mentionSchema } from './payload.ts';

export interface Said {
  readonly text: string;
  /** The message names our bot. */
  readonly mentioned: boolean;
}

/** A message of Teams has 28 KB; nobody mentions more people in it than that, and each one is a search through the text. */
const MAX_ENTITIES = 256;

/** A message's text without the mentions of our bot, which say to whom it was said and not what. */
export function readText(activity: Activity, isOwnId: (id: string) => boolean): Said {
  let text = activity.text ?? '';
  let mentioned = false;
  for (const entity of (activity.entities ?? []).slice(0, MAX_ENTITIES)) {
    const mention = mentionSchema.safeParse(entity).data;
    if (mention === undefined || !isOwnId(mention.mentioned.id)) continue;
    mentioned = true;
    text = text.replaceAll(mention.text, ' ');
  }
  return { text: tidy(text), mentioned };
}

/** Teams writes a webhook's own name in front of what was said; an outgoing webhook is always addressed. */
export const withoutLeadingMention = (text: string): string => tidy(text.replace(/^\s*<at\b[^>]*>[^<]*<\/at>/i, ' '));

/** Mentions leave HTML's spaces around them, even in plain text. */
const tidy = (text: string): string => text.replace(/(?:&nbsp;|\u00a0)/gi, ' ').trim();

/**
 * What somebody pressed or filled in, one value a line: a card's inputs, a search box's words. '' when there is none.
 * The operation decides where Teams puts it: `value.action.data` (cards), `value.parameters` (searches), `value.data`.
 */
export function textOfValue(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!isJsonObject(value)) return '';
  if (Array.isArray(value.parameters)) {
    const given = value.parameters.map((one: unknown) => (isJsonObject(one) ? one.value : undefined));
    return given.filter(isText).join('\n');
  }
  const data = (isJsonObject(value.action) ? value.action.data : undefined) ?? value.data ?? value;
  if (typeof data === 'string') return data;
  if (!isJsonObject(data)) return '';
  const named = Object.entries(data).filter(([name]) => !isCapability(name));
  return named.flatMap(([, given]) => (isText(given) ? [given] : [])).join('\n');
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
