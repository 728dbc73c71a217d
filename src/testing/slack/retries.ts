import { type SignedSlackRequest, type SlackBody, signSlackRequest } from './signer.ts';

/**
 * When Slack tries again, in ms after the attempt before: almost at once, after a minute, after five
 * (docs.slack.dev/apis/events-api, "Retries").
 */
const RETRY_AFTER_MS = [0, 60_000, 300_000];

/** Slack gives up on an attempt after 3 s. */
const TIMEOUT_MS = 3_000;

/** What an attempt came to: an answer, or none in time. */
export interface SlackAttempt {
  /** 0 for the first, then the number in `x-slack-retry-num`. */
  readonly retry: number;
  readonly at: number;
  readonly status: number | undefined;
  readonly request: SignedSlackRequest;
}

export interface SlackRetryOptions {
  readonly body: SlackBody;
  readonly signingSecret: string;
  /** Sends one request. `undefined`, a rejection, or an answer after 3 s by `clock` count as none. */
  readonly send: (request: SignedSlackRequest) => Promise<Pick<Response, 'status' | 'headers'> | undefined>;
  /** Epoch ms. */
  readonly clock: () => number;
  /** Lets that many ms pass on `clock`. */
  readonly pass: (ms: number) => Promise<void> | void;
}

/**
 * Delivers an event as Slack does: up to four attempts, each signed anew, until one is answered 2xx or anything else says
 * `x-slack-no-retry: 1`.
 */
export async function deliverWithRetries(options: SlackRetryOptions): Promise<readonly SlackAttempt[]> {
  const attempts: SlackAttempt[] = [];
  let reason = '';
  for (let retry = 0; retry <= RETRY_AFTER_MS.length; retry += 1) {
    if (retry > 0) await options.pass(RETRY_AFTER_MS[retry - 1] ?? 0);
    const at = options.clock();
    const signed = signSlackRequest(options.body, { signingSecret: options.signingSecret, at });
    const request = retry === 0 ? signed : withRetryHeaders(signed, retry, reason);
    const answer = await options.send(request).catch(() => undefined);
    const isLate = options.clock() - at > TIMEOUT_MS;
    const status = isLate ? undefined : answer?.status;
    attempts.push({ retry, at, status, request });
    if (status !== undefined && status >= 200 && status < 300) return attempts;
    if (status !== undefined && answer?.headers.get('x-slack-no-retry') === '1') return attempts;
    reason = isLate ? 'http_timeout' : status === undefined ? 'connection_failed' : 'http_error';
  }
  return attempts;
}

const withRetryHeaders = (request: SignedSlackRequest, retry: number, reason: string): SignedSlackRequest => ({
  ...request,
  headers: { ...request.headers, 'x-slack-retry-num': String(retry), 'x-slack-retry-reason': reason },
});
