import type { AuditAction } from '../core/audit/entry.ts';
import { codeOf } from '../core/errors.ts';
import type { JsonObject } from '../core/json/json-text.ts';
import { OutboundError } from '../net/guard/reasons.ts';
import type { Scrub } from '../scrub/scrub.ts';
import { BudgetExhausted } from './budget/exhausted.ts';

/** What may be refused while an agent works. */
export type Refusal = Extract<
  AuditAction,
  | 'tool.refused'
  | 'outbound.refused'
  | 'guardrail.refused'
  | 'secret.leak_blocked'
  | 'budget.refused'
  | 'budget.exhausted'
>;

/** What an attempt tells the audit before its end. */
export type TrailAction = Refusal | 'tool.called';

/** The calls an attempt made and what it was refused, for the audit. It is durable before the attempt counts as ended. */
export interface Trail {
  /** Names, codes, digests and figures; nothing that was read or written. `agent` where it is a delegate's. */
  note(action: TrailAction, data: JsonObject): void;
}

export interface Noted {
  readonly action: TrailAction;
  readonly data: JsonObject;
}

export interface AttemptTrail extends Trail {
  readonly noted: readonly Noted[];
  /** Notes beyond those that are kept. */
  readonly dropped: number;
}

/** Of one attempt: its limits of calls and of answers end it long before. What is beyond them is counted. */
const MAX_NOTES = 1_000;

export function createTrail(): AttemptTrail {
  const noted: Noted[] = [];
  let dropped = 0;
  return {
    noted,
    get dropped() {
      return dropped;
    },
    note(action, data) {
      if (noted.length < MAX_NOTES) noted.push({ action, data });
      else dropped += 1;
    },
  };
}

/** Errors beneath one another that are looked at: one may be its own cause. */
const MAX_CAUSES = 16;

/** Notes that the guard blocked a URL, if that is what lies beneath an error. Its reason is a word; the URL is not told. */
export function noteBlocked(error: unknown, trail: Trail, data: JsonObject): void {
  let at = error;
  for (let deep = 0; at instanceof Error && deep < MAX_CAUSES; deep += 1, at = at.cause) {
    if (!(at instanceof OutboundError)) continue;
    if (at.code === 'ERR_OUTBOUND_BLOCKED') trail.note('outbound.refused', { ...data, reason: at.reason });
    return;
  }
}

/** What an agent or a model said, without the secrets in it; notes the rules that found some. `data` goes into the note. */
export function outgoing<T>(said: T, scrub: Scrub, trail: Trail, data: JsonObject = {}): T {
  const { value, findings } = scrub(said);
  if (findings.length > 0) {
    trail.note('secret.leak_blocked', { ...data, rules: [...new Set(findings.map(({ rule }) => rule))] });
  }
  return value;
}

/** Why a run may not spend. Other codes are failures, which the end of the run tells. */
const refusing: ReadonlySet<string> = new Set([
  'ERR_BUDGET_EXHAUSTED',
  'ERR_BUDGET_OVERRUN',
  'ERR_KILLED',
  'ERR_PRICE_UNKNOWN',
]);

/** Notes that the budget refused, if that is what an error says. */
export function noteBudget(action: 'budget.refused' | 'budget.exhausted', error: unknown, trail: Trail): void {
  const code = codeOf(error);
  if (!refusing.has(code)) return;
  trail.note(action, { code, ...(error instanceof BudgetExhausted ? limitOf(error) : {}) });
}

function limitOf({ refusal }: BudgetExhausted): JsonObject {
  const { scope, resource, window, max } = refusal.limit;
  return { scope, resource, window, max };
}
