import { codeOf } from '../../../core/errors.ts';
import type { InboundEvent } from '../../../core/event.ts';
import type { Scrub } from '../../../scrub/scrub.ts';
import type { Trail } from '../../audit-trail.ts';
import type { RunBudget } from '../../budget/budget.ts';
import { guardText } from '../../guardrails/guard-text.ts';
import type { Guardrails } from '../../guardrails/guardrails.ts';
import type { Steps } from '../../steps.ts';
import type { RunSub } from '../../tools/delegate.ts';
import type { Toolbox } from '../../tools/toolbox.ts';
import { cut } from '../cut.ts';
import { converse } from './converse.ts';
import type { Marking } from './marking.ts';
import type { AskModel, Message } from './model.ts';

/** What one loop of a model works on: a run, or the part of one that was delegated. */
export interface Part {
  readonly event: InboundEvent;
  readonly agent: string;
  readonly instructions: string;
  readonly marking: Marking;
  /** What was said before. */
  readonly past: readonly Message[];
  /** From outside; it is shown as data. */
  readonly text: string;
  /** Where the text is from. */
  readonly origin: Readonly<Record<string, string>>;
  readonly stepPrefix: string;
  readonly maxSteps: number;
  readonly steps: Steps;
  readonly trail: Trail;
  readonly budget: RunBudget;
  readonly signal: AbortSignal;
  /** Names of the tools a delegate may use; absent for the run itself, whose agent says so. */
  readonly allowed?: ReadonlySet<string>;
  /** Null within a delegate: it cannot delegate, and its answer goes to who asked it. */
  readonly runSub: RunSub | null;
}

export interface TalkDeps {
  readonly ask: AskModel;
  /** The tools the agent may use for the event's tenant; null for none. */
  readonly openToolbox: (part: Part) => Toolbox | null;
  readonly guardrails: Guardrails;
  readonly scrub: Scrub;
  /** Bytes of one message or one result of a tool that the model sees at most. */
  readonly maxInput: number;
  readonly maxOutputTokens: number;
}

const WITHHELD = '[withheld: a guardrail blocked this result]';

/**
 * Has the model work on a part. Its instructions are in the system message and nowhere else; whatever comes from outside
 * is cut, passes the guardrails and is framed.
 * @returns its answer; '' for none
 * @throws as `converse`, and SallyportError ERR_GUARDRAIL_BLOCKED or ERR_GUARDRAIL_UNAVAILABLE
 */
export async function talk(part: Part, deps: TalkDeps): Promise<string> {
  const { event, agent, instructions, marking, trail, signal } = part;
  const show = async (origin: Part['origin'], text: string): Promise<string> => {
    const subject = { stage: 'input', tenant: event.tenant, agent, instructions, trail, signal } as const;
    return marking.frame(origin, await guardText(deps.guardrails, { ...subject, text: cut(text, deps.maxInput) }));
  };
  const { stepPrefix, maxSteps, steps, budget } = part;
  return converse({
    ask: deps.ask,
    system: `${instructions}\n\n${marking.note}`,
    messages: [...part.past, { role: 'user', text: await show(part.origin, part.text) }],
    toolbox: deps.openToolbox(part),
    agent,
    trail,
    steps,
    stepPrefix,
    maxSteps,
    maxOutputTokens: deps.maxOutputTokens,
    budget,
    signal,
    scrub: deps.scrub,
    async present(tool, value) {
      const origin = { from: 'tool', tool };
      try {
        return await show(origin, typeof value === 'string' ? value : JSON.stringify(value));
      } catch (error) {
        if (codeOf(error) === 'ERR_GUARDRAIL_BLOCKED') return marking.frame(origin, WITHHELD);
        throw error;
      }
    },
  });
}
