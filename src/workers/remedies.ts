import type { Remedies } from '../core/remedies.ts';

const KEY = 'set `LLM_API_KEY` to a valid key of this endpoint, then redrive';
const MODEL = 'set `LLM_MODEL` to a model that the endpoint serves and the key may use, then redrive';
const QUOTA = 'raise the quota or the billing limit at the vendor of the model, then redrive';
const WAIT = 'wait until the rate limit of the model is over or have it raised, then redrive';
const BUSY = 'redrive once the vendor of the model has recovered';
const LENGTH = 'use a model with a larger context, or let the agent remember and read less, then redrive';
const PARAMETER =
  'check that the model takes the parameter named after the colon; `maxTokensField` names the limit of an answer';
const URL = 'set `LLM_BASE_URL` to the base of the API, usually ending in `/v1`, then redrive';

/** Of endpoints of models, which speak OpenAI's language. */
export const modelRemedies: Remedies = {
  invalid_api_key: KEY,
  authentication_error: KEY,
  http_401: KEY,
  http_403: 'give the key access to the model, then redrive',
  permission_error: 'give the key access to the model, then redrive',
  model_not_found: MODEL,
  DeploymentNotFound: MODEL,
  not_found: URL,
  http_404: URL,
  insufficient_quota: QUOTA,
  billing_hard_limit_reached: QUOTA,
  rate_limit_exceeded: WAIT,
  rate_limit_error: WAIT,
  http_429: WAIT,
  overloaded_error: BUSY,
  server_error: BUSY,
  context_length_exceeded: LENGTH,
  unsupported_parameter: PARAMETER,
  unsupported_value: PARAMETER,
  invalid_request_error:
    'look at the documentation of the endpoint for what it takes, and check the model and its settings',
  content_filter: 'the vendor refuses the content; look at the message, and redrive if it should be answered',
  content_policy_violation: 'the vendor refuses the content; look at the message, and redrive if it should be answered',
};

/** Of `http` agents, and of what agents in the process throw. */
export const agentRemedies: Remedies = {
  http_400: 'look at the log of the http agent for what it does not take, then redrive',
  http_401: 'give the http agent the value of `SALLYPORT_AGENT_SECRET`, then redrive',
  http_403: 'look at the log of the http agent and the proxy before it for who refuses, then redrive',
  http_404: 'set `SALLYPORT_AGENT_URL` to the path of the http agent, then redrive',
  http_413: 'have the http agent take larger bodies, then redrive',
  http_500: 'look at the log of the http agent for its error, then redrive',
  http_502: 'start the http agent behind its proxy, then redrive',
  http_503: 'start the http agent, or give it more room, then redrive',
  'invalid-answer': 'have the http agent answer `{ "reply": { "text": … } }` as docs/http-agent.md says, then redrive',
  'connect-failed': 'start the http agent, and check `SALLYPORT_AGENT_URL`, then redrive',
  timeout: 'make the http agent faster, have it call back, or raise its time limit, then redrive',
};

/** Of guardrails that are services. */
export const guardrailRemedies: Remedies = {
  http_401: 'set the token of the guardrail to one that its service takes, then redrive',
  http_403: 'set the token of the guardrail to one that its service takes, then redrive',
  http_404: 'set the URL of the guardrail to the path of its service, then redrive',
  'invalid-verdict': 'have the guardrail answer pass, change or block as docs/guardrails.md says, then redrive',
  'connect-failed': 'start the service of the guardrail, and check its URL, then redrive',
  timeout: 'make the guardrail faster or raise its time limit, then redrive',
};
