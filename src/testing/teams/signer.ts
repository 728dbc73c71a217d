import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { type Claims, createSigningKey, type SigningKey, signToken } from '../keys/signing-key.ts';

/** Ways to spoil a request that would otherwise be correct. Each of them must be refused (403 and 401). */
export type TeamsTamper = 'stale' | 'future' | 'wrong-key' | 'altered';

/** Who signs the connector's tokens in the public cloud. */
export const BOT_FRAMEWORK_ISSUER = 'https://api.botframework.com';

/** Where the public cloud's connector is; what `teamsMessage` writes unless told otherwise. */
export const TEAMS_SERVICE_URL = 'https://smba.trafficmanager.net/teams/';

/** One second more than the 5 minutes of skew that Bot Framework tokens are granted. */
const OUTSIDE_SKEW_SECONDS = 301;
/** One second more than the 10 minutes that an outgoing webhook's body may be away from our clock. */
const OUTSIDE_WINDOW_MS = 601_000;
/** What is dated ahead must still be ahead when it is read: so much may pass on the way, in seconds. */
const ON_THE_WAY_SECONDS = 30;
/** Life of the connector's tokens. */
const TOKEN_SECONDS = 3600;

export type TeamsActivity = Readonly<Record<string, unknown>>;

/** A request as Teams would send it, ready for `fetch`. */
export interface SignedTeamsRequest {
  readonly method: 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface TeamsBotSigning {
  /** A key the gate finds in the OpenID document, endorsed for the activity's channel. */
  readonly key: SigningKey;
  readonly appId: string;
  /** Epoch milliseconds at which the token is made. */
  readonly at: number;
  readonly tamper?: TeamsTamper;
  /** Claims to be different; undefined leaves one out. */
  readonly claims?: Claims;
}

/** The claims of an honest token for an activity: no `iat`, and the service URL in lower case. */
export function teamsClaims(serviceUrl: unknown, { appId, at, tamper, claims }: Omit<TeamsBotSigning, 'key'>): Claims {
  const seconds = Math.floor(at / 1000) + shiftOf(tamper);
  return {
    serviceurl: serviceUrl,
    nbf: seconds,
    exp: seconds + TOKEN_SECONDS,
    iss: BOT_FRAMEWORK_ISSUER,
    aud: appId,
    ...claims,
  };
}

/** Back far enough that the token has just run out, or ahead far enough that it is not good yet. */
function shiftOf(tamper: TeamsTamper | undefined): number {
  if (tamper === 'stale') return -TOKEN_SECONDS - OUTSIDE_SKEW_SECONDS;
  return tamper === 'future' ? OUTSIDE_SKEW_SECONDS + ON_THE_WAY_SECONDS : 0;
}

/**
 * Posts an activity as the Bot connector does, or wrongly in exactly the way `tamper` names. The token covers no body:
 * `altered` changes the one thing it binds, the service URL.
 */
export function signTeamsActivity(activity: TeamsActivity, signing: TeamsBotSigning): SignedTeamsRequest {
  const { tamper, key } = signing;
  const signer = tamper === 'wrong-key' ? createSigningKey({ kid: key.kid }) : key;
  const token = signToken(teamsClaims(activity.serviceUrl, signing), signer);
  const sent = tamper === 'altered' ? { ...activity, serviceUrl: 'https://attacker.example/' } : activity;
  return teamsRequest(JSON.stringify(sent), `Bearer ${token}`);
}

export const teamsRequest = (body: string | Uint8Array, authorization: string): SignedTeamsRequest => ({
  method: 'POST',
  headers: { 'content-type': 'application/json; charset=utf-8', authorization },
  body: Buffer.from(body),
});

export interface TeamsOutgoingSigning {
  /** As Teams shows it when the webhook is made: base64. */
  readonly securityToken: string;
  /** Epoch milliseconds; becomes the activity's `timestamp`. */
  readonly at: number;
  readonly tamper?: TeamsTamper;
}

/** Signs an activity as an outgoing webhook does, or wrongly in exactly the way `tamper` names. */
export function signTeamsOutgoing(activity: TeamsActivity, signing: TeamsOutgoingSigning): SignedTeamsRequest {
  const { securityToken, at, tamper } = signing;
  const ahead = OUTSIDE_WINDOW_MS + ON_THE_WAY_SECONDS * 1000;
  const shift = tamper === 'stale' ? -OUTSIDE_WINDOW_MS : tamper === 'future' ? ahead : 0;
  const body = JSON.stringify({ ...activity, timestamp: new Date(at + shift).toISOString() });
  const authorization = hmacAuthorization(body, tamper === 'wrong-key' ? freshSecurityToken() : securityToken);
  // To a JSON parser it is the same body; the HMAC is over bytes.
  return teamsRequest(tamper === 'altered' ? `${body} ` : body, authorization);
}

/** `HMAC <base64>` over the bytes, under the decoded token. */
export const hmacAuthorization = (body: string | Uint8Array, securityToken: string): string =>
  `HMAC ${createHmac('sha256', Buffer.from(securityToken, 'base64')).update(body).digest('base64')}`;

/** A security token as Teams gives one out: 32 bytes. */
export const freshSecurityToken = (): string => randomBytes(32).toString('base64');

export interface TeamsMessageOptions {
  readonly text: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly appId?: string;
  readonly id?: string;
  readonly conversation?: string;
  /** `personal` by default; in a `channel` or `groupChat` the bot is mentioned. */
  readonly conversationType?: 'personal' | 'groupChat' | 'channel';
  readonly from?: string;
  readonly serviceUrl?: string;
  readonly tenantId?: string;
}

/** A message somebody wrote to the bot, as Teams delivers it. */
export function teamsMessage(options: TeamsMessageOptions): TeamsActivity {
  const { appId = 'sallyport-bot', conversationType = 'personal', tenantId = 'sallyport-tenant', at } = options;
  const bot = { id: `28:${appId}`, name: 'Sallyport' };
  const mention = { type: 'mention', mentioned: bot, text: '<at>Sallyport</at>' };
  const isAddressed = conversationType !== 'personal';
  return {
    type: 'message',
    id: options.id ?? String(1_000_000_000_000 + randomBytes(5).readUIntBE(0, 5)),
    timestamp: new Date(at).toISOString(),
    serviceUrl: options.serviceUrl ?? TEAMS_SERVICE_URL,
    channelId: 'msteams',
    from: { id: options.from ?? '29:1sallyport-sender', name: 'Sender', aadObjectId: randomUUID() },
    conversation: {
      ...(isAddressed && { isGroup: true }),
      conversationType,
      tenantId,
      id: options.conversation ?? (isAddressed ? '19:sallyport@thread.tacv2;messageid=1700000000000' : 'a:1sallyport'),
    },
    recipient: bot,
    ...(isAddressed && { entities: [mention] }),
    textFormat: 'plain',
    text: isAddressed ? `${mention.text} ${options.text}` : options.text,
    channelData: { tenant: { id: tenantId } },
    locale: 'en-US',
  };
}
