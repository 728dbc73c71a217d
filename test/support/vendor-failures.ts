import type { ErrorCode } from '../../src/core/errors.ts';
import type { HttpAgentReaction } from '../../src/testing/agents/http-agent-server.ts';
import type { LlmAnswer } from '../../src/testing/agents/llm-server.ts';
import type { GmailFault } from '../../src/testing/gmail/server.ts';
import type { GraphFault } from '../../src/testing/graph/server.ts';
import type { SlackFault } from '../../src/testing/slack/server.ts';
import type { BotConnectorFault } from '../../src/testing/teams/bot-connector-server.ts';

/** Stand in every text of a vendor, and must be nowhere in what the product keeps, shows or logs. */
export const planted = {
  value: 'canary-of-a-vendor-text',
  secret: ['gh', 'p_', 'q7Xw2LmZ9v', 'b1C2d3E4f5', 'G6h7J8k9L0mNpQrS'].join(''),
} as const;
const prose = `${planted.value} ${planted.secret}`;

/**
 * What an operator is to see of a failure. A code that passes is tried again until `ERR_ATTEMPTS_EXHAUSTED`, or until its own
 * where a guardrail could not decide.
 */
interface Seen {
  readonly code: ErrorCode;
  readonly cause: string;
  readonly status?: number;
}

/** A failure of a vendor, a model, an agent or a guardrail, and what an operator sees of it. */
export type VendorFailure = Seen &
  (
    | { readonly side: 'slack'; readonly fault: SlackFault }
    | { readonly side: 'graph'; readonly at: RegExp; readonly fault: GraphFault }
    | { readonly side: 'teams'; readonly fault: BotConnectorFault }
    | { readonly side: 'gmail'; readonly at: string; readonly fault: GmailFault }
    | { readonly side: 'model'; readonly answer: LlmAnswer }
    | { readonly side: 'agent'; readonly reaction: HttpAgentReaction }
    /** What the agent of the file does, as code. */
    | { readonly side: 'program'; readonly does: string }
    /** The answer of its service; null: none. */
    | { readonly side: 'guardrail'; readonly answer: { readonly status: number; readonly body: string } | null }
  );

const slack = (code: Seen['code'], error: string): VendorFailure => ({
  ...{ side: 'slack', code, cause: error },
  fault: { method: 'chat.postMessage', kind: 'error', error },
});

const graph = (code: Seen['code'], at: RegExp, status: number, cause: string): VendorFailure => ({
  ...{ side: 'graph', code, cause, status, at },
  fault: { kind: 'status', status, body: { error: { code: cause, message: prose } } },
});

const entra = (number: number): object => ({
  error: 'invalid_client',
  error_description: `AADSTS${number}: ${prose}`,
  error_codes: [number],
});

const teams = (code: Seen['code'], status: number): VendorFailure => ({
  ...{ side: 'teams', code, status, cause: `http_${status}` },
  fault: { at: 'conversations', kind: 'status', status, body: { error: { code: 'BadSyntax', message: prose } } },
});

const gmail = (code: Seen['code'], at: string, status: number, reason: string): VendorFailure => ({
  ...{ side: 'gmail', code, at, status, cause: reason },
  fault: { status, reason, message: prose },
});

const model = (code: Seen['code'], status: number, cause: string, error: object): VendorFailure => ({
  ...{ side: 'model', code, status, cause },
  answer: { status, body: JSON.stringify({ error: { message: prose, ...error } }) },
});

const agent = (code: Seen['code'], status: number): VendorFailure => ({
  ...{ side: 'agent', code, status, cause: `http_${status}` },
  reaction: { status, body: prose },
});

export const vendorFailures: readonly VendorFailure[] = [
  slack('ERR_REPLY_REJECTED', 'not_in_channel'),
  slack('ERR_REPLY_REJECTED', 'channel_not_found'),
  slack('ERR_REPLY_REJECTED', 'is_archived'),
  slack('ERR_REPLY_REJECTED', 'invalid_auth'),
  slack('ERR_REPLY_REJECTED', 'token_revoked'),
  slack('ERR_REPLY_REJECTED', 'missing_scope'),
  slack('ERR_REPLY_REJECTED', 'msg_too_long'),
  slack('ERR_REPLY_UNAVAILABLE', 'ratelimited'),
  {
    ...{ side: 'graph', code: 'ERR_SOURCE_REJECTED', cause: 'AADSTS7000215', at: /\/token$/ },
    fault: { kind: 'status', status: 401, body: entra(7_000_215) },
  },
  graph('ERR_SOURCE_REJECTED', /\/messages\/[^/]+$/i, 403, 'ErrorAccessDenied'),
  graph('ERR_SOURCE_UNAVAILABLE', /\/messages\/[^/]+$/i, 429, 'ApplicationThrottled'),
  graph('ERR_REPLY_REJECTED', /\/reply$/, 403, 'ErrorSendAsDenied'),
  graph('ERR_REPLY_REJECTED', /\/reply$/, 413, 'ErrorMessageSizeExceeded'),
  {
    ...{ side: 'teams', code: 'ERR_REPLY_REJECTED', cause: 'AADSTS7000222' },
    fault: { at: 'token', kind: 'status', status: 401, body: entra(7_000_222) },
  },
  teams('ERR_REPLY_REJECTED', 403),
  teams('ERR_REPLY_REJECTED', 404),
  teams('ERR_REPLY_REJECTED', 413),
  teams('ERR_REPLY_UNAVAILABLE', 429),
  gmail('ERR_SOURCE_REJECTED', 'messages.get', 400, 'failedPrecondition'),
  gmail('ERR_SOURCE_REJECTED', 'messages.get', 403, 'insufficientPermissions'),
  gmail('ERR_SOURCE_REJECTED', 'messages.get', 403, 'accessNotConfigured'),
  gmail('ERR_SOURCE_UNAVAILABLE', 'messages.get', 403, 'userRateLimitExceeded'),
  gmail('ERR_REPLY_REJECTED', 'messages.send', 403, 'delegationDenied'),
  model('ERR_MODEL_REJECTED', 401, 'invalid_api_key', { type: 'invalid_request_error', code: 'invalid_api_key' }),
  model('ERR_MODEL_REJECTED', 404, 'model_not_found', { code: 'model_not_found' }),
  model('ERR_MODEL_REJECTED', 400, 'context_length_exceeded', { code: 'context_length_exceeded' }),
  model('ERR_MODEL_REJECTED', 400, 'content_filter', { code: 'content_filter' }),
  model('ERR_MODEL_REJECTED', 400, 'unsupported_parameter:reasoning_effort', {
    ...{ type: 'invalid_request_error', code: 'unsupported_parameter', param: 'reasoning_effort' },
  }),
  // A code that is none, and might be anything.
  model('ERR_MODEL_REJECTED', 403, 'permission_error', {
    type: 'permission_error',
    code: planted.secret,
    param: prose,
  }),
  model('ERR_MODEL_UNAVAILABLE', 429, 'insufficient_quota', { code: 'insufficient_quota' }),
  model('ERR_MODEL_UNAVAILABLE', 503, 'overloaded_error', { type: 'overloaded_error' }),
  {
    ...{ side: 'model', code: 'ERR_MODEL_UNAVAILABLE', cause: 'http_502', status: 502 },
    answer: { status: 502, body: `<html>${prose}</html>` },
  },
  agent('ERR_AGENT_REJECTED', 401),
  agent('ERR_AGENT_REJECTED', 404),
  agent('ERR_AGENT_REJECTED', 413),
  agent('ERR_AGENT_FAILED', 500),
  {
    ...{ side: 'agent', code: 'ERR_AGENT_REJECTED', cause: 'invalid-answer' },
    reaction: { status: 200, body: JSON.stringify({ answer: prose }) },
  },
  { side: 'agent', code: 'ERR_AGENT_FAILED', cause: 'connection-lost', reaction: 'drop' },
  {
    ...{ side: 'program', code: 'ERR_AGENT_FAILED', cause: 'TypeError' },
    does: `throw new TypeError('${prose}')`,
  },
  {
    ...{ side: 'program', code: 'ERR_AGENT_FAILED', cause: 'ECONNREFUSED' },
    does: `throw Object.assign(new Error('${prose}'), { code: 'ECONNREFUSED' })`,
  },
  { side: 'program', code: 'ERR_AGENT_RESULT_INVALID', cause: 'not-an-outcome', does: `return '${prose}'` },
  {
    ...{ side: 'program', code: 'ERR_AGENT_RESULT_INVALID', cause: 'text-not-a-string' },
    does: `return { kind: 'reply', text: { answer: '${prose}' } }`,
  },
  {
    ...{ side: 'guardrail', code: 'ERR_GUARDRAIL_UNAVAILABLE', cause: 'http_401', status: 401 },
    answer: { status: 401, body: prose },
  },
  {
    ...{ side: 'guardrail', code: 'ERR_GUARDRAIL_UNAVAILABLE', cause: 'invalid-verdict' },
    answer: { status: 200, body: JSON.stringify({ verdict: prose }) },
  },
  { side: 'guardrail', code: 'ERR_GUARDRAIL_UNAVAILABLE', cause: 'timeout', answer: null },
];
