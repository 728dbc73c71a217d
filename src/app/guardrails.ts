import type { HeldRecord } from '../server/api/reviews.ts';
import { isGuardrail } from '../workers/agents/definition.ts';
import type { Runtime } from './runtime.node.ts';

/** What a reviewer may wait for an answer of the API, in ms. */
const CHECK_MS = 20_000;

/**
 * What a reply of the event's agent passes, for a text a reviewer wrote in its place.
 * @throws SallyportError ERR_GUARDRAIL_BLOCKED, ERR_GUARDRAIL_UNAVAILABLE
 */
export function createReplyCheck(runtime: Runtime): (record: HeldRecord, text: string, by: string) => Promise<string> {
  const { config, scrub, audit } = runtime;
  // Loaded when the first text is edited: an ingress that never sees one does without their packages.
  const load = once(async () => {
    const [{ guardText }, { createTrail }, { guardrailsOf }] = await Promise.all([
      import('../workers/guardrails/guardrails.ts'),
      import('../workers/audit-trail.ts'),
      import('./guardrails.node.ts'),
    ]);
    return { guardText, createTrail, guardrailsWith: guardrailsOf(runtime) };
  });
  return async ({ event: { tenant, id }, runs }, text, by) => {
    const { guardText, createTrail, guardrailsWith } = await load();
    const trail = createTrail();
    const agent = runs.findLast((run) => run.agent !== undefined)?.agent ?? '';
    const definition = config.agents.find(({ name }) => name === agent);
    const instructions = agent === 'assistant' ? config.agent.instructions : definition?.instructions;
    const check = guardText(guardrailsWith(definition?.guardrails.filter(isGuardrail) ?? []), {
      stage: 'output',
      tenant,
      agent,
      text: scrub(text).value,
      signal: AbortSignal.timeout(CHECK_MS),
      trail,
      ...(instructions === undefined ? {} : { instructions }),
    });
    const passed = await check.finally(() =>
      audit(
        tenant,
        trail.noted.map((noted) => ({ ...noted, actor: `user:${by}`, subject: id })),
      ),
    );
    return scrub(passed).value;
  };
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= work();
    return made;
  };
}
