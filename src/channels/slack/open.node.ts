import { defined } from '../../core/defined.ts';
import { VENDOR_CALL_MS } from '../channel.ts';
import type { NodeHalf } from '../module.node.ts';
import { installationsOf } from './module.ts';
import { createSlackReader, FILES_URLS, MAX_FILE_BYTES } from './read/reader.ts';
import { createSlackReplier } from './reply/reply.ts';
import { loadSlackClient } from './reply/web-api.ts';
import type { SlackConfig } from './settings.ts';

/** Where Slack's response URLs lead, GovSlack's included. */
const RESPONSE_URLS = ['https://hooks.slack.com/', 'https://hooks.slack-gov.com/'];

/** Milliseconds Slack may take to answer. */
const ANSWER_MS = 5_000;
/** Seconds; our tokens forgive twice as much. */
const SKEW_SECONDS = 30;

export const slackNode: NodeHalf<SlackConfig> = {
  load: loadSlackClient,
  open(slack, { tenant, tenants, openFetch, replyTimeoutMs, sealer, logger, isStandIn }) {
    const { apiUrl, botToken } = slack;
    const installations = installationsOf(tenants);
    const isSilent = botToken === undefined && !installations.some((one) => one.tenant === tenant && one.botToken);
    if (isSilent && isStandIn !== true) {
      logger.warn({ tenant, setting: 'SLACK_BOT_TOKEN' }, 'reply.no-credentials');
    }
    const accounts = {
      ...defined({ botToken }),
      ...(slack.installations !== undefined && { installations }),
    };
    const timeoutMs = Math.max(VENDOR_CALL_MS, replyTimeoutMs);
    const fetch = openFetch([apiUrl, ...RESPONSE_URLS], { timeoutMs });
    const files = openFetch([apiUrl, ...FILES_URLS], { timeoutMs: VENDOR_CALL_MS, maxBytes: MAX_FILE_BYTES });
    return {
      reader: createSlackReader({ apiUrl, ...accounts, fetch: files, logger }),
      replier: createSlackReplier({ apiUrl, ...accounts, fetch, sealer, logger }),
    };
  },
  check: ({ apiUrl, botToken }, { tenant, openFetch }) => ({
    name: `slack credentials (${tenant})`,
    run: async () => (botToken === undefined ? null : tokenIsAccepted(apiUrl, botToken, openFetch([apiUrl]))),
  }),
  sample: async () => (await import('./sample.node.ts')).slackSample,
  onboarding: async () => (await import('./onboarding.node.ts')).slackOnboarding,
};

/** Also the clock: Slack's `Date` header against ours. */
async function tokenIsAccepted(apiUrl: string, botToken: string, fetch: typeof globalThis.fetch): Promise<string> {
  const url = new URL('auth.test', apiUrl);
  const headers = { authorization: `Bearer ${botToken}` };
  const signal = AbortSignal.timeout(ANSWER_MS);
  const sentAt = Date.now();
  const response = await fetch(url, { method: 'POST', headers, signal }).catch(() => {
    throw new Error(`nothing answers at ${url.origin}`);
  });
  const answeredAt = Date.now();
  const body = (await response.json().catch(() => ({}))) as { ok?: boolean };
  if (body.ok !== true) throw new Error('SLACK_BOT_TOKEN: Slack does not accept it');
  // The header names the second in which Slack answered, at some time between the request and its answer.
  const date = Date.parse(response.headers.get('date') ?? '');
  const skew = Math.max(0, sentAt - (date + 999), date - answeredAt) / 1000;
  if (Number.isNaN(skew)) return 'accepted; the clock could not be compared';
  if (skew > SKEW_SECONDS) throw new Error(`the clock is ${Math.round(skew)} s off Slack's: set it by NTP`);
  return `accepted, clock within ${Math.ceil(skew) || 1} s`;
}
