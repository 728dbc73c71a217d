import { type CallOutcome, failureOfAnswer, failureOfThrown } from '../../../net/call-outcome.ts';
import type { PostCall } from '../../channel.ts';
import { failureOfError, passingStatuses } from './outcome.ts';

/** Where Slack's response URLs lead, GovSlack's included. Whoever could name another host would have us post to it. */
const hosts: ReadonlySet<string> = new Set(['hooks.slack.com', 'hooks.slack-gov.com']);

const SLACK_API_URL = 'https://slack.com/api/';

export interface ResponseUrlPost {
  readonly url: string;
  readonly text: string;
  readonly begin: () => Promise<PostCall>;
}

/** Posts to a `response_url` once. Throws only what `begin` throws: what went wrong is the outcome. */
export type PostToResponseUrl = (post: ResponseUrlPost) => Promise<CallOutcome<null>>;

/** `apiUrl` is `SLACK_API_URL`; when it names another server, that server's own host and port are allowed as well. */
export function createResponseUrlPost(apiUrl: string, fetch: typeof globalThis.fetch): PostToResponseUrl {
  const origin = apiUrl === SLACK_API_URL ? undefined : new URL(apiUrl).origin;
  return async ({ url, text, begin }) => {
    if (!isAllowed(url, origin)) return { kind: 'rejected', why: 'response_url_host' };
    const { signal, fence } = await begin();
    try {
      fence();
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json; charset=utf-8' },
        // Only the user who asked sees it, and the message with the button stays.
        body: JSON.stringify({ text, response_type: 'ephemeral', replace_original: false }),
        redirect: 'manual',
        signal,
      });
      return await outcomeOf(response);
    } catch (error) {
      return failureOfThrown(error);
    }
  };
}

function isAllowed(url: string, origin: string | undefined): boolean {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || parsed.username !== '' || parsed.password !== '') return false;
  return parsed.origin === origin || (parsed.protocol === 'https:' && hosts.has(parsed.host));
}

/** `ok` as text when it worked; a used or expired URL is answered 404, or 200 with `{"ok":false,"error":…}`. */
async function outcomeOf(response: Response): Promise<CallOutcome<null>> {
  const body = await response.text();
  if (!response.ok) return failureOfAnswer(response, passingStatuses);
  const error = /^\s*\{\s*"ok"\s*:\s*false\s*,\s*"error"\s*:\s*"([a-z_]{1,64})"/.exec(body)?.[1];
  return error === undefined ? { kind: 'ok', value: null } : failureOfError(error);
}
