import type { Config } from '../config/schema.ts';
import type { Clients } from '../net/clients.ts';
import { createPolicyVersions } from '../queue/records/policy-versions.ts';
import type { Guardrail } from '../workers/guardrails/guardrail.ts';
import { createGuardrails, type Guardrails } from '../workers/guardrails/guardrails.ts';
import { createHttpGuardrail, type HttpGuardrailOptions, remembering } from '../workers/guardrails/http-guardrail.ts';
import { standardGuardrails } from '../workers/guardrails/standard-guardrails.ts';
import type { Runtime } from './runtime.node.ts';

/** How late a process may learn that verdicts do not hold any more, in ms. */
const POLICY_MS = 1_000;

/** An agent's own checks, then those that every agent passes. */
export function guardrailsOf({
  clients,
  config,
  store,
  scrub,
  countingScrub,
  metrics,
  log,
  tracing: { tracer },
}: Runtime): (own: readonly Guardrail[]) => Guardrails {
  const { meter } = metrics;
  const { services, linkHosts, maxReplyChars, secrets, promptLeak } = config.guardrails;
  const { current } = createPolicyVersions(store.records);
  const shared = { scrub, clock: Date.now, policyVersion: remembering(current, POLICY_MS, Date.now) };
  const standard = standardGuardrails(
    { linkHosts, maxReplyChars, onSecret: secrets, promptLeakChars: promptLeak === 0 ? null : promptLeak },
    { scrub: countingScrub, services: services.map((service) => openService(service, clients, shared)) },
  );
  // Each service has a deadline of its own; nothing else waits for anybody.
  const timeoutMs = Math.max(10_000, ...services.map(({ timeout }) => timeout + 1_000));
  return (own) => createGuardrails([...own, ...standard], { meter, logger: log, timeoutMs, tracer });
}

function openService(
  service: Config['guardrails']['services'][number],
  clients: Clients,
  shared: Pick<HttpGuardrailOptions, 'scrub' | 'clock' | 'policyVersion'>,
): Guardrail {
  const { name, url, token, stages, timeout, cache, instructions } = service;
  const { request: fetch } = clients.open('guardrail', [url], { timeoutMs: timeout });
  const asked = { name, url, token, stages, fetch, sendsInstructions: instructions, cacheMs: cache };
  return createHttpGuardrail({ ...shared, ...asked });
}
