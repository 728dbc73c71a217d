import { randomBytes, randomInt } from 'node:crypto';
import { defined } from '../../core/defined.ts';
import {
  type SlackBody,
  type SlackTamper,
  signSlackRequest,
  slackForm,
  slackInteraction,
  slackJson,
  slackMessage,
} from '../../testing/slack/signer.ts';
import {
  type Sample,
  type SampleContext,
  SampleError,
  type Sender,
  type SendOptions,
  type SignedDelivery,
} from '../sample.node.ts';
import type { SlackConfig } from './settings.ts';

const refusedModes: ReadonlySet<string> = new Set<SlackTamper>(['stale', 'future', 'wrong-key', 'altered']);

/** How far apart the two messages of `reorder` claim to be written, in ms. */
const REORDER_MS = 2_000;

const slackSender: Sender = {
  path: (tenant) => `/hooks/slack/${tenant}`,
  statuses: { taken: [200], refused: [401] },
  async deliveries(options, context) {
    const signingSecret = await secretOf(options.tenant, context);
    const at = Date.now();
    const { tamper } = options;
    const sign = (body: SlackBody, expect: SignedDelivery['expect']): SignedDelivery => {
      const spoiled = tamper !== undefined && refusedModes.has(tamper) ? { tamper: tamper as SlackTamper } : {};
      return { ...signSlackRequest(body, { signingSecret, at, ...spoiled }), expect };
    };
    const body = bodyOf(options, at);
    if (tamper === 'replay') {
      const signed = sign(body, 'accepted');
      return [signed, { ...signed, expect: 'duplicate' }];
    }
    if (tamper === 'duplicate') {
      // What Slack's retry is: the same event, signed anew a moment later.
      const again = signSlackRequest(body, { signingSecret, at: at + 1000 });
      return [sign(body, 'accepted'), { ...again, expect: 'duplicate' }];
    }
    if (tamper === 'reorder') return [sign(body, 'accepted'), sign(bodyOf(options, at - REORDER_MS), 'accepted')];
    return [sign(body, tamper === undefined ? 'accepted' : 'refused')];
  },
};

/** What the payloads of one app have in common. */
const APP = { api_app_id: 'A0SALLYPORT', teamId: 'T0SALLYPORT', userId: 'U0SENDER', botUserId: 'U0BOT' } as const;

function bodyOf(options: SendOptions, at: number): SlackBody {
  const { payload, command, button } = options;
  if ([payload, command, button].filter((one) => one !== undefined).length > 1)
    throw new SampleError('usage', '--file, --command, --button: only one of them can be sent');
  if (payload !== undefined) return ownBody(payload);
  if (command !== undefined) return commandBody(command, options);
  return button === undefined ? messageBody(options, at) : buttonBody(button, options, at);
}

function messageBody({ text, index, thread, mention, channel, user }: SendOptions, at: number): SlackBody {
  const words = numbered(text, index);
  const where = { channel: channel ?? (mention === true ? 'C0SALLYPORT' : 'D0SALLYPORT') };
  const given = { ...where, ...defined({ user, threadTs: thread }), at };
  if (mention !== true) return slackJson(slackMessage({ ...given, text: words }));
  return slackJson(slackMessage({ ...given, text: `<@${APP.botUserId}> ${words}`, asMention: true }));
}

/** Slack's id for an action of a user, which lets an app open a dialogue for 3 s. */
const triggerId = (): string => `${randomInt(1e12, 1e13)}.${randomInt(1e9, 1e10)}.${randomBytes(16).toString('hex')}`;

const commandBody = (command: string, { text, index, channel, user }: SendOptions): SlackBody =>
  slackForm({
    command: command.startsWith('/') ? command : `/${command}`,
    text: numbered(text, index),
    user_id: user ?? APP.userId,
    channel_id: channel ?? 'C0SALLYPORT',
    team_id: APP.teamId,
    api_app_id: APP.api_app_id,
    trigger_id: triggerId(),
  });

function buttonBody(
  button: string,
  { text, index, channel = 'C0SALLYPORT', user = APP.userId, thread }: SendOptions,
  at: number,
): SlackBody {
  const pressedAt = `${Math.floor(at / 1000)}.${randomInt(1e5, 1e6)}`;
  return slackInteraction({
    type: 'block_actions',
    api_app_id: APP.api_app_id,
    team: { id: APP.teamId },
    user: { id: user },
    container: {
      type: 'message',
      message_ts: '1700000000.000100',
      channel_id: channel,
      ...defined({ thread_ts: thread }),
    },
    channel: { id: channel },
    trigger_id: triggerId(),
    actions: [{ type: 'button', action_id: button, value: numbered(text, index), action_ts: pressedAt }],
  });
}

function ownBody(payload: unknown): SlackBody {
  if (typeof payload !== 'object' || payload === null)
    throw new SampleError('usage', '--file: must hold a JSON object');
  if ('command' in payload) {
    return slackForm(Object.fromEntries(Object.entries(payload).map(([name, value]) => [name, String(value)])));
  }
  const isEvent =
    'type' in payload && ['event_callback', 'url_verification', 'app_rate_limited'].includes(String(payload.type));
  return isEvent ? slackJson(payload) : slackInteraction(payload);
}

const numbered = (text: string, index: number): string => (index === 0 ? text : `${text} (${index + 1})`);

/** What Slack sends when a request URL is entered. `at`: epoch ms. */
export const signedChallenge = (challenge: string, signingSecret: string, at: number) =>
  signSlackRequest(slackJson({ type: 'url_verification', challenge }), { signingSecret, at });

/** The tenant's own where a configuration file is at hand, else that of the environment or of `dev`. */
async function secretOf(tenant: string, { settings }: SampleContext<unknown>): Promise<string> {
  const slack = (await settings(tenant)) as SlackConfig | undefined;
  const secret = slack?.signingSecrets[0];
  if (secret !== undefined) return secret;
  throw new SampleError('config', 'SLACK_SIGNING_SECRET: is required (or start `sallyport dev` here once)');
}

/** `dev` makes the signing secret with the other secrets. */
export const slackSample: Sample = { senders: { slack: slackSender } };
