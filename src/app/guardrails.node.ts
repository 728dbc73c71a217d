import type { Config } from '../config/schema.ts';
import { allowEntry } from '../net/guard/check-url.ts';
import { createDnsResolve } from '../net/guard/resolve.ts';
import { createGuardedFetch } from '../net/guarded-fetch.ts';
import { createPolicyVersions } from '../queue/records/policy-versions.ts';
import type { Guardrail } from '../workers/guardrails/guardrail.ts';
import { createGuardrails, type Guardrails } from '../workers/guardrails/guardrails.ts';
import { createHttpGuardrail, type HttpGuardrailOptions, remembering } from '../workers/guardrails/http-guardrail.ts';
import { standardGuardrails } from '../workers/guardrails/standard-guardrails.ts';
import type { Runtime } from './runtime.node.ts';

/** Bytes of a service's answer: a reply it changed, with room for escapes. */
const ANSWER_BYTES = 1024 * 1024;

/** How late a process may learn that verdicts do not hold any more, in ms. */
const POLICY_MS = 1_000;

/** An agent's own checks, then those that every agent passes. */
export function guardrailsOf({
  config,
  store,
  scrub,
  metrics,
  log,
}: Runtime): (own: readonly Guardrail[]) => Guardrails {
  const { meter } = metrics;
  const { services, linkHosts, maxReplyChars, secrets, promptLeak } = config.guardrails;
  const { current } = createPolicyVersions(store.records);
  const shared = { scrub, clock: Date.now, policyVersion: remembering(current, POLICY_MS, Date.now) };
  const standard = standardGuardrails(
    { linkHosts, maxReplyChars, onSecret: secrets, promptLeakChars: promptLeak === 0 ? null : promptLeak },
    { scrub, meter, services: services.map((service) => openService(service, shared)) },
  );
  // Each service has a deadline of its own; nothing else waits for anybody.
  const timeoutMs = Math.max(10_000, ...services.map(({ timeout }) => timeout + 1_000));
  return (own) => createGuardrails([...own, ...standard], { meter, logger: log, timeoutMs });
}

function openService(
  service: Config['guardrails']['services'][number],
  shared: Pick<HttpGuardrailOptions, 'scrub' | 'clock' | 'policyVersion'>,
): Guardrail {
  const { name, url, token, stages, timeout, cache, instructions } = service;
  const entry = allowEntry(url);
  const allow = entry === null ? [] : [entry];
  const fetch = createGuardedFetch({ resolve: createDnsResolve(), allow, timeoutMs: timeout, maxBytes: ANSWER_BYTES });
  const asked = { name, url, token, stages, fetch, sendsInstructions: instructions, cacheMs: cache };
  return createHttpGuardrail({ ...shared, ...asked });
}
