import { trimEndOf } from '../core/text/trim.ts';

type Fetch = typeof globalThis.fetch;

/** Milliseconds a vendor or our own public URL may take to answer. */
const ANSWER_MS = 5_000;
/** Seconds; our tokens forgive twice as much. */
const SKEW_SECONDS = 30;

/** Also the clock: Slack's `Date` header against ours. */
export async function slackAccepts(apiUrl: string, botToken: string, fetch: Fetch): Promise<string> {
  const headers = { authorization: `Bearer ${botToken}` };
  const response = await ask(fetch, new URL('auth.test', apiUrl), { method: 'POST', headers });
  const body = (await response.json().catch(() => ({}))) as { ok?: boolean };
  if (body.ok !== true) throw new Error('SLACK_BOT_TOKEN: Slack does not accept it');
  const skew = Math.abs(Date.now() - Date.parse(response.headers.get('date') ?? '')) / 1000;
  if (Number.isNaN(skew)) return 'accepted; the clock could not be compared';
  if (skew > SKEW_SECONDS) throw new Error(`the clock is ${Math.round(skew)} s off Slack's: set it by NTP`);
  return `accepted, clock within ${Math.ceil(skew) || 1} s`;
}

export async function isReachable(publicUrl: string, fetch: Fetch): Promise<string> {
  const response = await ask(fetch, new URL('health', `${trimEndOf(publicUrl, '/')}/`), {});
  if (!response.ok) throw new Error(`SALLYPORT_PUBLIC_URL: /health answers ${response.status}`);
  return 'reachable';
}

async function ask(fetch: Fetch, url: URL, init: RequestInit): Promise<Response> {
  return fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => {
    throw new Error(`nothing answers at ${url.origin}`);
  });
}
