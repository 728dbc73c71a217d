import * as z from 'zod';
import { webhookKey } from '../../../core/crypto/webhook-key.ts';
import { setting } from '../../../core/setting.ts';
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
    usd: setting(
      usd.refine((micros) => micros !== 'unlimited', { message: 'must be US dollars like 0.05' }).prefault('0.05'),
      {
        env: 'SALLYPORT_AGENT_RESERVE_USD',
        description: 'US dollars one run may use, spent in full unless it reports less',
      },
    ),
    inputTokens: setting(tokens.default(100_000), { description: 'input tokens one run may use' }),
    outputTokens: setting(tokens.default(20_000), { description: 'output tokens one run may use' }),
    modelCalls: setting(calls.default(4), {
      env: 'SALLYPORT_AGENT_RESERVE_CALLS',
      description: 'model calls one run may use',
    }),
    toolCalls: setting(calls.default(20), { description: 'tool calls one run may use' }),
  })
  .transform(({ usd: usdMicros, ...counts }) => ({ ...counts, usdMicros: Number(usdMicros) }))
  .prefault({});

const common = {
  timeout: setting(durationBetween('1s', '10m').prefault('60s'), {
    env: 'SALLYPORT_AGENT_TIMEOUT',
    description: 'for its answer to a request',
  }),
  // The event's age counts on meanwhile, so this stays well below a day.
  callbackTimeout: setting(durationBetween('1s', '12h').prefault('10m'), {
    env: 'SALLYPORT_AGENT_CALLBACK_TIMEOUT',
    description: 'for its callback after a 202; 12h at most',
  }),
  reserve,
};

/** Requests carry a signature of each, callbacks may carry any. */
const secrets = listOf(webhookSecret);

/** Of the built-in agent. */
export const httpAgentSchema = z
  .strictObject({
    url: setting(httpUrl.optional(), {
      env: 'SALLYPORT_AGENT_URL',
      description: 'where events are posted; required with `SALLYPORT_AGENT=http`; plain http only on this machine',
    }),
    secrets: setting(secrets.optional(), {
      env: 'SALLYPORT_AGENT_SECRET',
      description:
        'Standard Webhooks: `whsec_` and base64, or other text, which counts as it is written; 16 bytes at least; a comma list while one replaces another',
      secret: true,
      emptyIsWrong: true,
    }),
    ...common,
  })
  .prefault({});

/** Of an agent that a file lists. */
export const httpEndpointSchema = z.strictObject({ url: httpUrl, secrets, ...common });

export type HttpEndpoint = z.output<typeof httpEndpointSchema>;

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
