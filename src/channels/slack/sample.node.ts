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

function bodyOf({ payload, text, index }: SendOptions, at: number): SlackBody {
  if (payload === undefined)
    return slackJson(slackMessage({ text: numbered(text, index), channel: 'D0SALLYPORT', at }));
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

/** The tenant's own where a configuration file is at hand, else that of the environment or of `dev`. */
async function secretOf(tenant: string, { settings }: SampleContext<unknown>): Promise<string> {
  const slack = (await settings(tenant)) as SlackConfig | undefined;
  const secret = slack?.signingSecrets[0];
  if (secret !== undefined) return secret;
  throw new SampleError('config', 'SLACK_SIGNING_SECRET: is required (or start `sallyport dev` here once)');
}

/** `dev` makes the signing secret with the other secrets. */
export const slackSample: Sample = { senders: { slack: slackSender } };
