import type { webApi } from '@slack/bolt';
import { SallyportError } from '../../../core/errors.ts';
import { linkSignals } from '../../../core/linked-signal.ts';
import {
  type CallFailure,
  type CallOutcome,
  detailOf,
  failureOfAnswer,
  failureOfThrown,
} from '../../../net/call-outcome.ts';
import { type PostCall, VENDOR_CALL_MS } from '../../channel.ts';

export interface WebApiCall {
  readonly method: string;
  readonly token: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  /** The call posts a reply: this is called when the client is ready, and the call is limited by its result alone. */
  readonly begin?: () => Promise<PostCall>;
}

/** One call of a Web API method, never repeated. Throws only what `begin` throws: what went wrong is the outcome. */
export type CallWebApi = (call: WebApiCall) => Promise<CallOutcome<webApi.WebAPICallResult>>;

/** Slack's client. Not loaded by the ingress; a worker loads it before its first run, which would wait 0.3 s for it. */
export const loadSlackClient = () => import('@slack/bolt');

/** `apiUrl` is `SLACK_API_URL`; `fetch` reads bodies to their end. */
export function createWebApi(apiUrl: string, fetch: typeof globalThis.fetch): CallWebApi {
  return async ({ method, token, arguments: options, signal, begin }) => {
    const { WebClient } = (await loadSlackClient()).webApi;
    const post = await begin?.();
    let response: Response | undefined;
    const released: (() => void)[] = [];
    const client = new WebClient(token, {
      slackApiUrl: apiUrl,
      timeout: post === undefined ? VENDOR_CALL_MS : 0,
      // The client's default repeats up to 10 times, after timeouts too: each of them could post again.
      retryConfig: { retries: 0 },
      rejectRateLimitedCalls: true,
      allowAbsoluteUrls: false,
      logger: silent,
      // A client for each call is the only way to hand it our signal.
      fetch: async (input, init) => {
        const linked = linkSignals([post?.signal ?? signal, init?.signal]);
        released.push(linked.release);
        post?.fence();
        // A redirect is an answer: what the client makes of one does not tell which it was.
        response = await fetch(input, { ...init, redirect: 'manual', signal: linked.signal });
        return response;
      },
    });
    try {
      return { kind: 'ok', value: await client.apiCall(method, { ...options }) };
    } catch (error) {
      if (response === undefined) return failureOfThrown(error);
      if (response.status !== 200) return failureOfAnswer(response, passingStatuses);
      return hasErrorName(error) ? failureOfError(error.data.error) : failureOfThrown(error);
    } finally {
      for (const release of released) release();
    }
  };
}

const hasErrorName = (error: unknown): error is webApi.WebAPIPlatformError =>
  error instanceof Error && 'data' in error && typeof error.data === 'object' && error.data !== null;

/** The client logs addresses and answers; ours logs what became of the call. */
const silent: webApi.Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  setLevel() {},
  setName() {},
  getLevel: () => 'error' as webApi.LogLevel,
};

/** Slack answers refusals with 200; these come from what stands before its API, and from its rate limits. */
export const passingStatuses: ReadonlySet<number> = new Set([429]);

/** `error` values after which the same call may succeed (docs.slack.dev/reference/methods/chat.postMessage). */
const transient: ReadonlySet<string> = new Set([
  'ratelimited',
  'rate_limited',
  'message_limit_exceeded',
  // The body was cut on its way to Slack.
  'request_timeout',
  'team_added_to_org',
  'external_channel_migrating',
]);

/**
 * Of the first two Slack says that "some aspect of the operation" may have succeeded; of the third it does not say that
 * nothing was done.
 */
const doubtful: ReadonlySet<string> = new Set(['internal_error', 'fatal_error', 'service_unavailable']);

/** `ok: false` with this `error`. Anything that is not one of Slack's words came from somewhere else. */
export function failureOfError(error: unknown): CallFailure {
  if (typeof error !== 'string' || !/^[a-z_]{1,64}$/.test(error)) return { kind: 'ambiguous', why: 'no_slack_answer' };
  if (doubtful.has(error)) return { kind: 'ambiguous', why: error };
  return { kind: transient.has(error) ? 'unavailable' : 'rejected', why: error };
}

/** The error a reply ends in. @returns an error for `unavailable` and `rejected` only. */
export const replyError = (failure: Exclude<CallFailure, { kind: 'ambiguous' }>): SallyportError =>
  failure.kind === 'rejected'
    ? new SallyportError('ERR_REPLY_REJECTED', 'Slack refuses the reply', detailOf(failure))
    : new SallyportError('ERR_REPLY_UNAVAILABLE', 'Slack did not take the reply', detailOf(failure));
