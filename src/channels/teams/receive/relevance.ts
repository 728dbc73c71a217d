import { present } from '../ids.ts';
import type { Activity } from './payload.ts';

/** Why something authentic is not run; each is a metric label and a row of docs/teams.md. */
export type TeamsReason =
  | 'unprocessable'
  | 'bad_routing_id'
  | 'unknown_type'
  | 'other_tenant'
  | 'own_message'
  | 'bot_message'
  | 'edit'
  | 'deletion'
  | 'sign_in'
  | 'no_agent';

/** Teams' prefix for bots; the rest is the bot's app id. */
const BOT_PREFIX = '28:';

/** Undefined for an author we may listen to. Answering ourselves never ends, and answering other bots may not either. */
export function whyIgnoreAuthor({ from }: Activity, appId: string | undefined): TeamsReason | undefined {
  const id = present(from?.id);
  if (appId !== undefined && (id === appId || id === BOT_PREFIX + appId)) return 'own_message';
  // Roles are how the emulator and Web Chat say it; Teams itself has only the prefix.
  return from?.role === 'bot' || id?.startsWith(BOT_PREFIX) ? 'bot_message' : undefined;
}

/** Undefined unless a single-tenant bot got an activity of some other tenant, or one that names none. */
export function whyIgnoreTenant(
  { channelData, conversation }: Activity,
  tenantId: string | undefined,
): TeamsReason | undefined {
  if (tenantId === undefined) return undefined;
  const named = present(channelData?.tenant?.id) ?? present(conversation?.tenantId);
  return named?.toLowerCase() === tenantId.toLowerCase() ? undefined : 'other_tenant';
}

/** `signin/verifyState` and `signin/tokenExchange` bring codes and tokens of people; no agent has any use for them. */
export const isSignIn = ({ type, name }: Activity): boolean =>
  type === 'invoke' && name?.startsWith('signin/') === true;

/** Why a type that no agent asked for is not run. */
export function whyUnlisted(activityType: string): TeamsReason {
  if (activityType === 'messageUpdate') return 'edit';
  return activityType === 'messageDelete' ? 'deletion' : 'no_agent';
}
