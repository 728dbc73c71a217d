import { SallyportError } from '../../core/errors.ts';
import { withinTime } from '../../core/linked-signal.ts';
import type { Logger } from '../../core/logger.ts';
import type { Meter } from '../../core/meter.ts';
import { noTracer, type Tracer } from '../../core/tracer.ts';
import type { Trail } from '../audit-trail.ts';
import type { Guardrail, GuardrailSubject, Verdict } from './guardrail.ts';

/** The reason of a block that nobody decided: the guardrail failed or took too long. Trying again may help. */
const UNDECIDED = 'unavailable';

/** What is judged, and where a block is noted. */
export interface Judged extends GuardrailSubject {
  readonly trail: Trail;
}

/** What guardrails together decided. `error`: what the one threw that could not decide. */
export type GuardrailsVerdict = Verdict & { readonly error?: unknown };

/** Ordered checks as one. A change feeds the next, a block ends; one that throws or takes too long blocks. */
export interface Guardrails {
  /** Never throws but for an aborted signal, with its reason. */
  check(judged: Judged): Promise<GuardrailsVerdict>;
}

/** What a reason may look like; anything else is somebody's prose. */
const WORD = /^[a-z][a-z0-9-]{0,39}$/;

export function createGuardrails(
  guardrails: readonly Guardrail[],
  deps: {
    readonly meter: Meter;
    readonly logger: Logger;
    /** For one check, in ms. Default 10 s. */
    readonly timeoutMs?: number;
    /** Absent: nothing is traced. */
    readonly tracer?: Tracer;
  },
): Guardrails {
  const { meter, logger, timeoutMs = 10_000, tracer = noTracer } = deps;

  async function verdictOf(guardrail: Guardrail, subject: GuardrailSubject): Promise<GuardrailsVerdict> {
    try {
      const check = (signal: AbortSignal) => guardrail.check({ ...subject, signal });
      return bounded(await withinTime(timeoutMs, subject.signal, check));
    } catch (error) {
      subject.signal.throwIfAborted();
      const { stage, tenant, agent } = subject;
      logger.error({ tenant, agent, stage, guardrail: guardrail.name, error }, 'guardrail.failed');
      return { kind: 'block', reason: UNDECIDED, error };
    }
  }

  return {
    async check({ trail, ...subject }) {
      const { stage, tenant, agent, tool } = subject;
      let { text } = subject;
      for (const guardrail of guardrails.filter(({ stages }) => stages.includes(stage))) {
        const facts = { guardrail: guardrail.name, stage };
        const verdict = await tracer.current().part('guardrail', facts, async (span) => {
          const decided = await verdictOf(guardrail, { ...subject, text });
          span.note({ outcome: decided.kind });
          return decided;
        });
        if (verdict.kind === 'pass') continue;
        meter.guardrailActed(guardrail.name, stage, verdict.kind);
        const reason = verdict.kind === 'block' ? { reason: verdict.reason } : {};
        logger.warn(
          { tenant, agent, stage, tool, guardrail: guardrail.name, ...reason },
          `guardrail.${PAST[verdict.kind]}`,
        );
        if (verdict.kind === 'block') {
          const what = tool === undefined ? { stage } : { stage, tool };
          trail.note('guardrail.refused', { agent, ...what, guardrail: guardrail.name, reason: verdict.reason });
          return verdict;
        }
        text = verdict.text;
      }
      return text === subject.text ? { kind: 'pass' } : { kind: 'change', text };
    },
  };
}

const PAST = { change: 'changed', block: 'blocked' } as const;

/** A guardrail somebody wrote without a type checker must not pass by answering nonsense. */
function bounded(verdict: Verdict): GuardrailsVerdict {
  if (verdict?.kind === 'pass') return verdict;
  if (verdict?.kind === 'change' && typeof verdict.text === 'string') return verdict;
  if (verdict?.kind !== 'block') return { kind: 'block', reason: UNDECIDED, error: invalidVerdict() };
  const reason = String(verdict.reason);
  return { kind: 'block', reason: WORD.test(reason) ? reason : 'blocked' };
}

const invalidVerdict = (): SallyportError =>
  new SallyportError('ERR_GUARDRAIL_UNAVAILABLE', 'check() must return { kind: pass, change or block }', {
    reason: 'invalid-verdict',
  });

/**
 * Passes a text through the guardrails: before every model call with the stage `input` (the text being what the model has
 * not seen yet: the task, results of tools), and before a reply with `output`.
 * @returns the text as the guardrails left it
 * @throws SallyportError ERR_GUARDRAIL_BLOCKED: they refuse it. ERR_GUARDRAIL_UNAVAILABLE: one of them could not decide.
 */
export async function guardText(guardrails: Guardrails, subject: Judged): Promise<string> {
  const verdict = await guardrails.check(subject);
  if (verdict.kind === 'block') {
    const { stage } = subject;
    if (verdict.reason === UNDECIDED) {
      const { error: cause } = verdict;
      throw new SallyportError('ERR_GUARDRAIL_UNAVAILABLE', `a guardrail could not decide about the ${stage}`, {
        cause,
      });
    }
    throw new SallyportError('ERR_GUARDRAIL_BLOCKED', `a guardrail blocked the ${stage}`);
  }
  return verdict.kind === 'change' ? verdict.text : subject.text;
}
