import { randomUUID } from 'node:crypto';
import { defined } from '../../core/defined.ts';
import { SallyportError } from '../../core/errors.ts';
import { trimEndOf } from '../../core/text/cap.ts';
import { VENDOR_CALL_MS } from '../channel.ts';
import type { CheckDeps, NodeHalf } from '../module.node.ts';
import { installationsOf } from './module.ts';
import { createSlackReader, FILES_URLS, MAX_FILE_BYTES } from './read/reader.ts';
import { createSlackReplier } from './reply/reply.ts';
import { loadSlackClient } from './reply/web-api.ts';
import type { SlackConfig } from './settings.ts';

/** Where Slack's response URLs lead, GovSlack's included. */
const RESPONSE_URLS = ['https://hooks.slack.com/', 'https://hooks.slack-gov.com/'];

/** Milliseconds Slack may take to answer. */
const ANSWER_MS = 5_000;

type Fetch = typeof globalThis.fetch;

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
  checks(slack, deps) {
    const { tenant, openFetch, publicUrl } = deps;
    const fetch = openFetch([slack.apiUrl]);
    const tokens = [
      { name: tenant, botToken: slack.botToken },
      ...(slack.installations ?? []).map((one) => ({
        name: `${tenant}, ${one.teamId ?? one.enterpriseId}`,
        botToken: one.botToken,
      })),
    ].filter((one, at) => one.botToken !== undefined || (at === 0 && slack.installations === undefined));
    return [
      ...tokens.map(({ name, botToken }) => ({
        name: `slack credentials (${name})`,
        run: async () => (botToken === undefined ? null : examineToken(slack, botToken, fetch)),
      })),
      {
        name: `slack request URL (${tenant})`,
        run: async () => (publicUrl === undefined ? null : probeRequestUrl(slack, { ...deps, publicUrl })),
      },
    ];
  },
  sample: async () => (await import('./sample.node.ts')).slackSample,
  onboarding: async () => (await import('./onboarding.node.ts')).slackOnboarding,
};

/** What each kind of token begins with (docs.slack.dev/authentication/tokens). With token rotation, `xoxe.` comes before it. */
const tokenKinds = { 'xapp-': 'an app-level token', 'xoxp-': 'a user token', 'xoxe-': 'a refresh token' } as const;

/** Slack's word for an error. */
const WORD = /^[a-z_]{1,64}$/;

/** Asks Slack whose token it is, and compares its scopes with those that answering needs. */
async function examineToken({ apiUrl, eventTypes }: SlackConfig, botToken: string, fetch: Fetch) {
  for (const [prefix, kind] of Object.entries(tokenKinds)) {
    if (!botToken.startsWith(prefix)) continue;
    throw new Error(
      `SLACK_BOT_TOKEN: is ${kind}; a bot token begins with xoxb- (OAuth & Permissions in the app's settings)`,
    );
  }
  const url = new URL('auth.test', apiUrl);
  const headers = { authorization: `Bearer ${botToken}` };
  const response = await fetch(url, { method: 'POST', headers, signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => {
    throw new Error(`SLACK_API_URL: nothing answers at ${url.origin}`);
  });
  const body = (await response.json().catch(() => ({}))) as { ok?: unknown; error?: unknown };
  if (body.ok !== true) {
    const reason = typeof body.error === 'string' && WORD.test(body.error) ? body.error : 'no_slack_answer';
    throw new SallyportError('ERR_REPLY_REJECTED', 'SLACK_BOT_TOKEN: Slack does not accept it', { reason });
  }
  const granted = response.headers.get('x-oauth-scopes');
  if (granted === null) return 'accepted; Slack did not say which scopes it has';
  const has = new Set(granted.split(',').map((scope) => scope.trim()));
  const { scopesFor } = await import('./onboarding.node.ts');
  const missing = scopesFor(eventTypes).filter((scope) => !has.has(scope));
  if (missing.length === 0) return 'accepted, with all scopes';
  const text = `SLACK_BOT_TOKEN: lacks the scopes ${missing.join(', ')}; add them under OAuth & Permissions and install the app again`;
  if (missing.includes('chat:write')) throw new Error(text);
  return { warning: text };
}

/** Does what Slack does when a request URL is entered: a signed challenge, through every proxy on the way. */
async function probeRequestUrl(
  { signingSecrets }: SlackConfig,
  { tenant, publicUrl, openFetch, clock }: CheckDeps<SlackConfig> & { readonly publicUrl: string },
): Promise<string> {
  const { signedChallenge } = await import('./sample.node.ts');
  const challenge = randomUUID();
  const { headers, body } = signedChallenge(challenge, signingSecrets[0] ?? '', clock());
  const url = `${trimEndOf(publicUrl, '/')}/hooks/slack/${tenant}`;
  const init = { method: 'POST', headers, body: new Uint8Array(body), signal: AbortSignal.timeout(ANSWER_MS) };
  const response = await openFetch([publicUrl])(url, init).catch(() => {
    throw new Error('SALLYPORT_PUBLIC_URL: nothing answers there; is a tunnel or proxy running?');
  });
  if (response.status === 200 && (await response.text()) === challenge) return 'a signed request arrives unchanged';
  if (response.status === 401) {
    throw new Error(
      'SALLYPORT_PUBLIC_URL: the gate there refuses our signature; it has another SLACK_SIGNING_SECRET, or a proxy changes the body',
    );
  }
  throw new Error(
    `SALLYPORT_PUBLIC_URL: a signed request is answered ${response.status}; no gate with this tenant is behind it`,
  );
}
