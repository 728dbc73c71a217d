import type { HeldRecord } from '../control/review-view.ts';
import { isGuardrail } from '../workers/agent/definition.ts';
import type { Runtime } from './runtime.node.ts';

/** What a reviewer may wait for an answer of the API, in ms. */
const CHECK_MS = 20_000;

/**
 * What a reply of the event's agent passes, for a text a reviewer wrote in its place.
 * @throws SallyportError ERR_GUARDRAIL_BLOCKED, ERR_GUARDRAIL_UNAVAILABLE
 */
export function createReplyCheck(runtime: Runtime): (record: HeldRecord, text: string) => Promise<string> {
  const { config, scrub } = runtime;
  // Loaded when the first text is edited: an ingress that never sees one does without their packages.
  const load = once(async () => {
    const [{ guardText }, { guardrailsOf }] = await Promise.all([
      import('../workers/guardrails/guard-text.ts'),
      import('./guardrails.node.ts'),
    ]);
    return { guardText, guardrailsWith: guardrailsOf(runtime) };
  });
  return async ({ event: { tenant }, runs }, text) => {
    const { guardText, guardrailsWith } = await load();
    const agent = runs.findLast((run) => run.agent !== undefined)?.agent ?? '';
    const definition = config.agents.find(({ name }) => name === agent);
    const instructions = agent === 'assistant' ? config.agent.instructions : definition?.instructions;
    const passed = await guardText(guardrailsWith(definition?.guardrails.filter(isGuardrail) ?? []), {
      stage: 'output',
      tenant,
      agent,
      text: scrub(text).value,
      signal: AbortSignal.timeout(CHECK_MS),
      ...(instructions === undefined ? {} : { instructions }),
    });
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
