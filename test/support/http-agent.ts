import { createSlackReplier } from '../../src/channels/slack/reply/reply.ts';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { webhookKey } from '../../src/core/crypto/webhook-key.ts';
import type { EventRecord } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { allowEntry } from '../../src/net/guard/check-url.ts';
import { createDnsResolve } from '../../src/net/guard/resolve.ts';
import { createGuardedFetch } from '../../src/net/guarded-fetch.ts';
import { createScrubber } from '../../src/scrub/scrubber.ts';
import { createSealer } from '../../src/scrub/seal.ts';
import {
  type CallbackSigning,
  type HttpAgentReaction,
  type HttpAgentRequest,
  type HttpAgentServer,
  signCallback,
  startHttpAgentServer,
} from '../../src/testing/agents/http-agent-server.ts';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import type { Agent } from '../../src/workers/agent.ts';
import { createHttpAgent, type HttpAgentSettings } from '../../src/workers/agents/http/agent.ts';
import { createFakeClock, type FakeClock } from './clock.ts';
import { type Gate, type GateOptions, openGate } from './gate.ts';
import { message, postSlack } from './slack.ts';
import { vendorFetch } from './vendor-fetch.ts';

export const AGENT_SECRET = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;

export interface HttpGateOptions extends GateOptions {
  readonly react?: (request: HttpAgentRequest) => HttpAgentReaction | Promise<HttpAgentReaction>;
  readonly settings?: Partial<HttpAgentSettings>;
  /** Stands between the worker and the agent. */
  readonly around?: (agent: Agent) => Agent;
  /** Another program stands in for the local agent. */
  readonly agentUrl?: string;
}

/** The gate with a local `http` agent behind it and a local Slack to answer to. */
export interface HttpGate {
  readonly gate: Gate;
  readonly agent: HttpAgentServer;
  readonly slack: SlackServer;
  readonly clock: FakeClock;
  /** Somebody writes; the event's id. */
  say(text: string): Promise<string>;
  /** Runs the event's conversation once. */
  drain(eventId: string): Promise<EventRecord>;
  /** Posts a callback; by default for the latest run, signed as the agent would. */
  callBack(signing?: Partial<CallbackSigning>, path?: string): Promise<{ status: number; body: string }>;
  stop(): Promise<void>;
}

const key = new Uint8Array(32).fill(7);

export const keysOf = (...secrets: readonly string[]): Uint8Array[] =>
  secrets.map((secret) => webhookKey(secret)).filter((one) => one !== null);

export async function openHttpGate({ react, settings, ...options }: HttpGateOptions = {}): Promise<HttpGate> {
  // The agent's library verifies by the real time, so this clock begins there.
  const clock = createFakeClock(Date.now());
  const agent = await startHttpAgentServer({ secret: AGENT_SECRET, ...(react === undefined ? {} : { react }) });
  const slack = await startSlackServer();
  const allow = [allowEntry(options.agentUrl ?? agent.url)].filter((entry) => entry !== null);
  const timeoutMs = settings?.timeoutMs ?? 5_000;
  const http = createHttpAgent(
    {
      name: 'http',
      url: options.agentUrl ?? agent.url,
      keys: keysOf(AGENT_SECRET),
      timeoutMs,
      callbackTimeoutMs: 600_000,
      reserve: { usdMicros: 50_000, inputTokens: 1_000, outputTokens: 500, modelCalls: 4, toolCalls: 2 },
      publicUrl: 'https://gate.example/',
      ...settings,
    },
    {
      fetch: createGuardedFetch({ resolve: createDnsResolve(), allow, timeoutMs }),
      scrub: createScrubber({ crypto: nodeCrypto, key }),
      clock: clock.now,
    },
  );
  const sealer = createSealer(nodeCrypto, [key]);
  const replier = createSlackReplier({
    apiUrl: slack.url,
    botToken: 'xoxb-for-the-local-server',
    fetch: vendorFetch(slack.url),
    sealer,
    logger: silentLogger,
  });
  const gate = await openGate({
    agent: options.around?.(http) ?? http,
    replier,
    clock: clock.now,
    callbackKeys: (name) => (name === 'http' ? keysOf(AGENT_SECRET) : []),
    ...options,
  });
  const recordOf = async (id: string): Promise<EventRecord> => {
    const record = await gate.store.events.get('default', id);
    if (record === null) throw new Error('expected a record');
    return record;
  };
  return {
    gate,
    agent,
    slack,
    clock,
    async say(text) {
      const payload = message({ text, at: clock.now() });
      return (await postSlack(gate.app, payload, { at: clock.now() })).eventId ?? '';
    },
    async drain(eventId) {
      await gate.drain({ tenant: 'default', key: (await recordOf(eventId)).event.conversation.key });
      return recordOf(eventId);
    },
    async callBack(signing = {}, path) {
      const run = signing.run ?? agent.requests.at(-1)?.run ?? '';
      const answer = { reply: { text: 'later' } };
      const callback = signCallback({ secret: AGENT_SECRET, answer, at: clock.now(), ...signing, run });
      const response = await gate.app.request(`http://gate.test/callbacks/${path ?? run}`, callback);
      return { status: response.status, body: await response.text() };
    },
    async stop() {
      await Promise.all([gate.stop(), agent.stop(), slack.stop()]);
    },
  };
}
