import { createHmac, randomBytes } from 'node:crypto';
import { defined } from '../../core/defined.ts';

/** Ways to spoil a request that would otherwise be correct. Each of them must be answered 401. */
export type SlackTamper = 'stale' | 'future' | 'wrong-key' | 'altered';

/** One second more than Slack's tolerance (docs.slack.dev/authentication/verifying-requests-from-slack). */
const OUTSIDE_TOLERANCE_SECONDS = 301;
/** What is dated ahead must still be ahead when it is read: so much may pass on the way, in seconds. */
const ON_THE_WAY_SECONDS = 30;

/** A body with its media type, before it is signed. */
export interface SlackBody {
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

/** An Events API delivery (`event_callback`, `url_verification`, `app_rate_limited`): the payload is the body. */
export const slackJson = (payload: unknown): SlackBody => ({
  contentType: 'application/json',
  body: JSON.stringify(payload),
});

/** Something a user pressed or submitted: JSON in the form field `payload`. */
export const slackInteraction = (payload: unknown): SlackBody => slackForm({ payload: JSON.stringify(payload) });

/** A slash command, whose fields are the form. */
export const slackForm = (fields: Readonly<Record<string, string>>): SlackBody => ({
  contentType: 'application/x-www-form-urlencoded',
  body: new URLSearchParams(fields).toString(),
});

export interface SlackSigning {
  readonly signingSecret: string;
  /** Epoch milliseconds that the request claims to be made at. */
  readonly at: number;
  readonly tamper?: SlackTamper;
}

/** A request as Slack would send it, ready for `fetch`. */
export interface SignedSlackRequest {
  readonly method: 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Signs a body as Slack does (`v0`), or wrongly in exactly the way `tamper` names. */
export function signSlackRequest({ contentType, body }: SlackBody, signing: SlackSigning): SignedSlackRequest {
  const { tamper } = signing;
  const bytes = Buffer.from(body);
  const secret = tamper === 'wrong-key' ? randomBytes(16).toString('hex') : signing.signingSecret;
  const timestamp = String(Math.floor(signing.at / 1000) + shiftOf(tamper));
  const signature = createHmac('sha256', secret).update(`v0:${timestamp}:`).update(bytes).digest('hex');
  return {
    method: 'POST',
    headers: {
      'content-type': contentType,
      'x-slack-request-timestamp': timestamp,
      'x-slack-signature': `v0=${signature}`,
    },
    body: tamper === 'altered' ? altered(bytes) : bytes,
  };
}

function shiftOf(tamper: SlackTamper | undefined): number {
  if (tamper === 'stale') return -OUTSIDE_TOLERANCE_SECONDS;
  return tamper === 'future' ? OUTSIDE_TOLERANCE_SECONDS + ON_THE_WAY_SECONDS : 0;
}

/** The last byte but one with its lowest bit flipped; a byte more when the body is too short for that. */
function altered(bytes: Uint8Array): Uint8Array {
  if (bytes.length < 2) return Buffer.concat([bytes, Buffer.from(' ')]);
  const copy = Buffer.from(bytes);
  const at = copy.length - 2;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

export interface SlackMessageOptions {
  readonly text: string;
  /** A `D…` channel is a direct message. */
  readonly channel?: string;
  readonly user?: string;
  readonly teamId?: string;
  readonly appId?: string;
  readonly botUserId?: string;
  /** Seconds and counter as Slack writes them. Made from the time and a random counter when absent. */
  readonly ts?: string;
  readonly threadTs?: string;
  /** Files that came with it, as the API names them. */
  readonly files?: readonly object[];
  /** Sent as the `app_mention` twin of the message. */
  readonly asMention?: boolean;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** The payload of a message somebody wrote, as the Events API delivers it. */
export function slackMessage(options: SlackMessageOptions): Record<string, unknown> {
  const { channel = 'C0SALLYPORT', user = 'U0SENDER', teamId = 'T0SALLYPORT', appId = 'A0SALLYPORT' } = options;
  const seconds = Math.floor(options.at / 1000);
  const ts = options.ts ?? `${seconds}.${String(randomBytes(4).readUInt32BE() % 1_000_000).padStart(6, '0')}`;
  const kind = options.asMention ? {} : { channel_type: channel.startsWith('D') ? 'im' : 'channel' };
  return {
    token: 'deprecated-verification-token',
    team_id: teamId,
    api_app_id: appId,
    event: {
      type: options.asMention ? 'app_mention' : 'message',
      user,
      text: options.text,
      ts,
      ...defined({ thread_ts: options.threadTs, files: options.files }),
      ...(options.files !== undefined && { subtype: 'file_share' }),
      channel,
      event_ts: ts,
      team: teamId,
      ...kind,
    },
    type: 'event_callback',
    event_id: `Ev${randomBytes(5).toString('hex').toUpperCase()}`,
    event_time: seconds,
    authorizations: [
      {
        enterprise_id: null,
        team_id: teamId,
        user_id: options.botUserId ?? 'U0BOT',
        is_bot: true,
        is_enterprise_install: false,
      },
    ],
    is_ext_shared_channel: false,
  };
}
