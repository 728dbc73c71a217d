import { z } from 'zod';
import { webhookKey } from '../../../core/crypto/webhook-key.ts';
import { durationBetween, httpUrl, integer, listOf } from '../../../core/setting-values.ts';
import { usd } from '../../budget/settings.ts';

/** `whsec_` and base64, or any text of 16 bytes and more, which counts as it is written. Becomes the key's bytes. */
const webhookSecret = z.string({ error: 'must be text' }).transform((text, context) => {
  const key = text.trim() === text ? webhookKey(text) : null;
  if (key !== null) return key;
  context.addIssue({ code: 'custom', message: 'must be whsec_ and base64, or other text, of 16 bytes at least' });
  return z.NEVER;
});

const tokens = integer(0, 1_000_000_000);
const calls = integer(0, 1_000_000);

/** What one run may use. Reserved before the agent is asked, and spent in full unless it reports less. */
const reserve = z
  .strictObject({
    usd: usd.refine((micros) => micros !== 'unlimited', { message: 'must be US dollars like 0.05' }).prefault('0.05'),
    inputTokens: tokens.default(100_000),
    outputTokens: tokens.default(20_000),
    modelCalls: calls.default(4),
    toolCalls: calls.default(20),
  })
  .transform(({ usd: usdMicros, ...counts }) => ({ ...counts, usdMicros: Number(usdMicros) }))
  .prefault({});

/** Several during rotation: requests carry a signature of each, callbacks may carry any. */
const secrets = listOf(webhookSecret);

const common = {
  /** For its answer to a request. */
  timeout: durationBetween('1s', '10m').prefault('60s'),
  /** For its callback after a 202. The event's age counts on meanwhile, so this stays well below a day. */
  callbackTimeout: durationBetween('1s', '12h').prefault('10m'),
  reserve,
};

/** Of the built-in agent. */
export const httpAgentSchema = z
  .strictObject({ url: httpUrl.optional(), secrets: secrets.optional(), ...common })
  .prefault({});

/** Of an agent that a file lists. */
export const httpEndpointSchema = z.strictObject({ url: httpUrl, secrets, ...common });

export type HttpEndpoint = z.output<typeof httpEndpointSchema>;

export const httpAgentEnvironment: Readonly<Record<string, readonly string[]>> = {
  SALLYPORT_AGENT_URL: ['agent', 'http', 'url'],
  SALLYPORT_AGENT_SECRET: ['agent', 'http', 'secrets'],
  SALLYPORT_AGENT_TIMEOUT: ['agent', 'http', 'timeout'],
  SALLYPORT_AGENT_CALLBACK_TIMEOUT: ['agent', 'http', 'callbackTimeout'],
  SALLYPORT_AGENT_RESERVE_USD: ['agent', 'http', 'reserve', 'usd'],
  SALLYPORT_AGENT_RESERVE_CALLS: ['agent', 'http', 'reserve', 'modelCalls'],
};

/** A program that may be asked and may call back, and the name it has in both. */
export interface NamedEndpoint {
  readonly name: string;
  readonly http: HttpEndpoint;
}

interface Programs {
  readonly agent: { readonly http: z.output<typeof httpAgentSchema> };
  readonly agents: readonly { readonly name: string; readonly http?: HttpEndpoint | undefined }[];
}

/** Every program that is configured, the built-in agent's among them where it is known where that is. */
export function httpEndpoints({ agent, agents }: Programs): readonly NamedEndpoint[] {
  const { url, secrets: keys, ...rest } = agent.http;
  const builtIn =
    url === undefined || keys === undefined ? [] : [{ name: 'http', http: { url, secrets: keys, ...rest } }];
  return [...agents.flatMap(({ name, http }) => (http === undefined ? [] : [{ name, http }])), ...builtIn];
}

/** Says what the agent `http` cannot do without. */
export function needHttpAgent(need: (setting: string, path: readonly string[], why: string) => void): void {
  need('SALLYPORT_AGENT_URL', ['agent', 'http', 'url'], 'for the agent http');
  need('SALLYPORT_AGENT_SECRET', ['agent', 'http', 'secrets'], 'for the agent http');
}
