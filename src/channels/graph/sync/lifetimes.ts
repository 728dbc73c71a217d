import { splitPath } from '../resource.ts';

const MINUTE_MS = 60_000;

/** Longest lives in minutes (learn.microsoft.com/graph/api/resources/subscription, "Subscription lifetime"; text of 2026). */
const OUTLOOK = { basic: 10_080, rich: 1_440 } as const;
const TEAMS = 4_320;
/** Of every other resource the shortest but presence, which is no message. */
const OTHER = 4_230;

/** Graph refuses what is beyond the limit by its own clock; ours may be ahead. */
const MARGIN_MS = 5 * MINUTE_MS;

/** How long a new subscription may be asked for, in ms. */
export function lifetimeMs(resource: string, isRich: boolean): number {
  const minutes = isTeams(resource) ? TEAMS : isOutlook(resource) ? OUTLOOK[isRich ? 'rich' : 'basic'] : OTHER;
  return minutes * MINUTE_MS - MARGIN_MS;
}

/** Chats and channels, of a user or of the whole tenant. */
export function isTeams(resource: string): boolean {
  const [first, second] = splitPath(resource);
  return first?.name === 'chats' || first?.name === 'teams' || second?.name === 'chats';
}

const outlook: ReadonlySet<string> = new Set(['messages', 'events', 'contacts']);

const isOutlook = (resource: string): boolean => outlook.has(splitPath(resource).at(-1)?.name ?? '');

/** Rich notifications of Outlook are sent only for resources that say which properties they want. */
export const canBeRich = (resource: string): boolean => isTeams(resource) || /[?&]\$select=/i.test(resource);
