import type { Clock } from '../core/clock.ts';
import { SallyportError } from '../core/errors.ts';
import { withinTime } from '../core/linked-signal.ts';
import { trimEndOf } from '../core/text/cap.ts';
import { isProxyError } from '../net/guard/reasons.ts';

export interface ModelEndpoint {
  readonly baseUrl: string;
  readonly apiKey?: string | undefined;
  /** The guarded client that may open it. */
  readonly fetch: typeof globalThis.fetch;
}

/** For one look, in ms. */
const ANSWER_MS = 5_000;
/** Between two looks at an endpoint that answers, and at one that does not. Vendors count requests. */
const LOOK_MS = 60_000;
const LOOK_AGAIN_MS = 5_000;
/** Looks that must fail in a row. */
const TO_FAIL = 2;

/** The HTTP status of the endpoint's list of models. @throws SallyportError ERR_MODEL_UNAVAILABLE: nothing answers; OutboundError of the proxy */
async function statusOf({ baseUrl, apiKey, fetch }: ModelEndpoint): Promise<number> {
  const headers: Record<string, string> = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  try {
    const url = `${trimEndOf(baseUrl, '/')}/models`;
    return (await withinTime(ANSWER_MS, undefined, (signal) => fetch(url, { headers, signal }))).status;
  } catch (error) {
    if (isProxyError(error)) throw error;
    throw new SallyportError('ERR_MODEL_UNAVAILABLE', 'the endpoint of the model does not answer');
  }
}

/** A probe for `/ready` that asks the endpoint rarely and answers from what it knows. 5xx counts as no answer. */
export function probeModel(endpoint: ModelEndpoint, clock: Clock): () => Promise<void> {
  let failures = 0;
  let nextAt = 0;
  const look = async (): Promise<void> => {
    const isWell = await statusOf(endpoint).then(
      (status) => status < 500,
      () => false,
    );
    failures = isWell ? 0 : failures + 1;
    nextAt = clock() + (isWell ? LOOK_MS : LOOK_AGAIN_MS);
  };
  return async () => {
    if (clock() >= nextAt) {
      nextAt = Number.POSITIVE_INFINITY;
      void look();
    }
    if (failures >= TO_FAIL) throw new SallyportError('ERR_MODEL_UNAVAILABLE', 'the endpoint does not answer');
  };
}

/** For `sallyport doctor`. An endpoint need not list its models; refusing the key is what matters. @throws Error */
export async function examineModel(endpoint: ModelEndpoint): Promise<string> {
  const status = await statusOf(endpoint).catch((error: unknown) => {
    if (isProxyError(error)) throw error;
    throw new Error(`LLM_BASE_URL: nothing answers at ${new URL(endpoint.baseUrl).origin}`);
  });
  if (status === 401 || status === 403) throw new Error('LLM_API_KEY: the endpoint does not accept it');
  if (status >= 500) throw new Error(`LLM_BASE_URL: the endpoint answers ${status}`);
  return 'the endpoint answers';
}
