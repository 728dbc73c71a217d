import type { ErrorCode } from './errors.ts';
import type { ChannelName } from './event.ts';
import type { Failure } from './failure.ts';

/** What to do about a failure, in one sentence. docs/errors.md is generated from these tables (`npm run docs:errors`). */
export type RemedyOf = (channel: ChannelName, failure: Failure) => string;

/** By the other side's word for a failure. */
export type Remedies = Readonly<Record<string, string>>;

/** Remedies of each other side that can fail. */
export interface RemedyTables {
  /** By channel: of its replies and of what it reads. */
  readonly channels: Readonly<Record<ChannelName, Remedies>>;
  readonly model: Remedies;
  readonly agent: Remedies;
  readonly guardrail: Remedies;
  /** Of failures that any of them can have: the network and bare HTTP statuses. */
  readonly network: Remedies;
}

/** The remedy of the cause where it is known, else that of the code. */
export function createRemedyOf(tables: RemedyTables): RemedyOf {
  return (channel, { code, lastCode = code, cause }) => {
    const known =
      cause === undefined ? undefined : remedyIn([tableFor(lastCode, channel, tables), tables.network], cause);
    return known ?? codeRemedies[lastCode];
  };
}

function tableFor(
  code: ErrorCode,
  channel: ChannelName,
  { channels, model, agent, guardrail }: RemedyTables,
): Remedies {
  if (code.startsWith('ERR_MODEL_')) return model;
  if (code.startsWith('ERR_AGENT_')) return agent;
  if (code.startsWith('ERR_GUARDRAIL_')) return guardrail;
  const isOfChannel = code.startsWith('ERR_REPLY_') || code.startsWith('ERR_SOURCE_');
  return (isOfChannel ? channels[channel] : undefined) ?? {};
}

/** A cause may say after a colon what it is about. */
function remedyIn(tables: readonly Remedies[], cause: string): string | undefined {
  const [word = cause] = cause.split(':', 1);
  for (const name of [cause, word]) {
    const table = tables.find((one) => Object.hasOwn(one, name));
    if (table !== undefined) return table[name];
  }
  return undefined;
}

const SIGNATURE = 'check that the secret here and at the sender are the same, and that no proxy changes the body';
const CLOCK = 'set the clocks of both machines by NTP';
const TOKEN = 'get a new token for this audience from the configured issuer';
const NEW_TOKEN = 'get a new token';
const LATER = 'send the request again later';
const STORE = 'check that the store answers and has room; `sallyport doctor` tests it';
const SUPPORT = 'look at the log line with this code, which has the details';

/** For every code, where nothing more exact is known. */
export const codeRemedies: Readonly<Record<ErrorCode, string>> = {
  ERR_METHOD_NOT_ALLOWED: 'use a method that the header `Allow` names',
  ERR_UNKNOWN_ROUTE: 'check the path, the tenant in it and that the tenant has this channel',
  ERR_BODY_TOO_LARGE: 'send a smaller body, or raise `SALLYPORT_BODY_LIMIT`',
  ERR_BODY_TIMEOUT: 'check the connection between sender and gate',
  ERR_BODY_ABORTED: 'check the connection between sender and gate',
  ERR_SIGNATURE_MISSING: 'give the sender the secret to sign with',
  ERR_SIGNATURE_MALFORMED: SIGNATURE,
  ERR_SIGNATURE_MISMATCH: SIGNATURE,
  ERR_TIMESTAMP_MALFORMED: SIGNATURE,
  ERR_TIMESTAMP_OUTSIDE_TOLERANCE: CLOCK,
  ERR_TOKEN_MISSING: 'send the header `Authorization: Bearer` with a token',
  ERR_TOKEN_MALFORMED: NEW_TOKEN,
  ERR_TOKEN_ALGORITHM: 'have the issuer sign with an algorithm that is allowed here',
  ERR_TOKEN_KEY_UNKNOWN: TOKEN,
  ERR_TOKEN_SIGNATURE_MISMATCH: 'check that the token comes from the configured issuer and secret',
  ERR_TOKEN_EXPIRED: `${NEW_TOKEN}, and ${CLOCK}`,
  ERR_TOKEN_ISSUER: TOKEN,
  ERR_TOKEN_AUDIENCE: TOKEN,
  ERR_TOKEN_CLAIM: 'have the issuer add the claims `sub`, `tenant`, `scope` and `exp`',
  ERR_TOKEN_SENDER: 'check which account, publisher or service may send here, and correct the setting that names it',
  ERR_TOKEN_LIFE: 'get a token with a shorter life, or raise `SALLYPORT_TOKEN_MAX_LIFE`',
  ERR_TOKEN_TENANT: 'use a tenant that the configuration has',
  ERR_TOKEN_REVOKED: NEW_TOKEN,
  ERR_TOKEN_INACTIVE: NEW_TOKEN,
  ERR_KEYS_UNAVAILABLE: 'check that the key set of the issuer can be reached from here',
  ERR_INTROSPECTION_UNAVAILABLE: 'check that `SALLYPORT_JWT_INTROSPECTION_URL` answers and takes the credentials',
  ERR_BODY_UNPARSABLE: 'send the body in the format of this route',
  ERR_RATE_LIMITED: 'wait for the seconds in `Retry-After`',
  ERR_RELAY_VERSION: 'deploy edge and origin from neighbouring releases',
  ERR_RELAY_REPLAYED: 'none needed: the batch has arrived',
  ERR_SHUTTING_DOWN: LATER,
  ERR_STORE_UNAVAILABLE: STORE,
  ERR_STORE_UNSAFE: 'turn on append-only persistence and the eviction policy `noeviction` in Redis',
  ERR_STORE_MISMATCH:
    'use the `SALLYPORT_ID_KEY` and the number of shards that the store was made with, or an empty store',
  ERR_REPLICAS_MISSING: 'bring the replicas of Redis back, or lower `SALLYPORT_MIN_REPLICAS`',
  ERR_CHANNEL_RATE: 'wait, or raise `SALLYPORT_CHANNEL_RATE`',
  ERR_QUEUE_FULL: 'add workers, or raise `SALLYPORT_QUEUE_CAP`',
  ERR_ORIGIN_UNAVAILABLE: 'check that `SALLYPORT_RELAY_URL` can be reached from the edge',
  ERR_ORIGIN_ROUTE: 'send the request to the origin',
  ERR_WORKER_SILENT: 'start a worker, and check that it reaches the store',
  ERR_WORKER_STALLED: 'restart the workers, and look at the log for what they wait for',
  ERR_CHECK_FAILED: 'check the dependency that `ready.checks` names',
  ERR_CERTIFICATE_EXPIRED: 'renew the certificate of `SALLYPORT_TLS_CERT`',
  ERR_CERTIFICATE_INVALID: 'put a certificate and its key in `SALLYPORT_TLS_CERT` and `SALLYPORT_TLS_KEY`',
  ERR_SUBSCRIPTION_LAPSED: 'run `sallyport subscriptions sync`, and look at the log for why it was not renewed',
  ERR_LEASE_LOST: 'none needed: another worker goes on',
  ERR_ATTEMPTS_EXHAUSTED: 'look at the log of the worker for why its attempts did not end, then redrive',
  ERR_BACKOFF_EXHAUSTED: 'redrive once the other side answers again',
  ERR_SOURCE_UNAVAILABLE: 'redrive once the vendor answers again',
  ERR_SOURCE_REJECTED: 'check the credentials and permissions of the channel with `sallyport doctor`, then redrive',
  ERR_AGENT_FAILED: 'look at the log line `attempt.failed` for what the agent threw, correct it, then redrive',
  ERR_AGENT_TIMEOUT: 'make the agent faster or raise its time limit, then redrive',
  ERR_AGENT_REJECTED: 'look at the log of the agent for why it refuses the event, then redrive',
  ERR_AGENT_RESULT_INVALID:
    "have `run` return `{ kind: 'reply', text }` with a string or `{ kind: 'silent' }`, then redrive",
  ERR_CALLBACK_OVERDUE: 'check that the agent reaches the callback URL, or raise its callback time, then redrive',
  ERR_STEPS_EXHAUSTED: 'raise `maxSteps` of the agent, or make its task smaller, then redrive',
  ERR_MODEL_UNAVAILABLE: 'redrive once the endpoint of the model answers again',
  ERR_MODEL_REJECTED: 'check `LLM_BASE_URL`, `LLM_API_KEY` and `LLM_MODEL`, then redrive',
  ERR_BUDGET_EXHAUSTED: 'wait for the next window, or raise the budget with `sallyport budgets`',
  ERR_BUDGET_OVERRUN: 'check the prices and token limits of the model, then redrive',
  ERR_PRICE_UNKNOWN: 'set `LLM_PRICE_INPUT` and `LLM_PRICE_OUTPUT`, then redrive',
  ERR_KILLED: 'turn the kill switch off with `sallyport budgets`, then redrive',
  ERR_GUARDRAIL_BLOCKED: 'look at the log line `guardrail.blocked` for the guardrail and its reason',
  ERR_GUARDRAIL_UNAVAILABLE: 'check the guardrail that the log line `guardrail.failed` names, then redrive',
  ERR_REPLY_REJECTED: 'check the permissions of the app and that the conversation still exists, then redrive',
  ERR_REPLY_UNAVAILABLE: 'redrive once the vendor takes messages again',
  ERR_REPLY_UNCONFIRMED: 'wait: the next attempt asks the vendor whether the reply was posted',
  ERR_REPLY_UNCONFIGURED: 'set the credentials of the channel',
  ERR_AMBIGUOUS_EFFECT: 'look in the conversation whether the reply is there, then resolve the effect',
  ERR_EFFECT_NOT_DELIVERED: 'redrive to try the effect again',
  ERR_PARKED_BY_OPERATOR: 'redrive when the event should run',
  ERR_ERASED: 'none: the content is gone',
  ERR_REVIEW_EXPIRED: 'redrive to have a new reply made and reviewed',
  ERR_REVIEW_CHANGED: 'reload the held reply and decide about what it is now',
  ERR_OUTBOUND_BLOCKED: 'check the URL with `sallyport check-url`, and allow its host where it is configured',
  ERR_OUTBOUND_FAILED: 'check that the host can be reached from here',
  ERR_OUTBOUND_TIMEOUT: 'check that the host answers in time',
  ERR_OUTBOUND_TOO_LARGE: 'have the other side send a smaller answer',
  ERR_SEAL_BROKEN: 'add the key that was used to `SALLYPORT_SEAL_KEY`, then redrive',
  ERR_UNAUTHENTICATED: 'send the header `Authorization: Bearer` with a valid token',
  ERR_FORBIDDEN: 'get a token with the scope that the answer names',
  ERR_CERTIFICATE_REQUIRED: 'send a certificate of an authority in `SALLYPORT_TLS_CLIENT_CA`',
  ERR_NOT_FOUND: 'check the id and the tenant of the token',
  ERR_INVALID_REQUEST: 'correct the fields that `errors` names',
  ERR_IDEMPOTENCY_KEY_REUSED: 'use a new key for another request',
  ERR_REQUEST_RUNNING: 'wait for the seconds in `Retry-After`, then send the same request',
  ERR_ANSWER_LOST: 'look what became of the request, then use a new key',
  ERR_WRONG_STATE: 'reload the event and look at its state',
  ERR_PRECONDITION_FAILED: 'reload the resource, then send the request with its new `ETag`',
  ERR_REPLY_DELIVERED: 'none: the person has the reply',
  ERR_REVIEW_OWN: 'have another person decide',
  ERR_REVIEW_NOT_APPROVER: 'have an approver decide, or add the subject to `review.approvers`',
  ERR_REVOCATIONS_FULL: 'delete revocations that are no longer needed, or revoke the whole subject',
  ERR_CONFIG_INVALID: 'correct the settings that the message names',
  ERR_INTERNAL: SUPPORT,
};
