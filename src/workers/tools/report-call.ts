import { sha256 } from '../../core/crypto/sha256.node.ts';
import { codeOf } from '../../core/errors.ts';
import { canonicalJson } from '../../core/json/canonical-json.ts';
import { isJsonObject, type JsonObject } from '../../core/json/json-text.ts';
import type { Logger } from '../../core/logger.ts';
import type { Meter } from '../../core/meter.ts';
import type { Trail } from '../audit-trail.ts';
import type { Tool } from './tool.ts';
import type { ToolResult } from './toolbox.ts';

/** How a call that is in the audit came about. */
type CallOutcome =
  | 'done'
  /** An earlier attempt made it, and this one goes on from its result. */
  | 'recorded'
  /** The same, of a tool whose effects live in the attempt: it ran again to restore them. */
  | 'repeated'
  /** It was begun, and the attempt ended within it. */
  | 'interrupted';

/** What becomes known of a call while it is made. */
export interface CallFacts {
  outcome: CallOutcome;
  /** The tool was started in this attempt. */
  isBegun: boolean;
  /** For the audit: words of the configuration and a digest. */
  data: JsonObject;
}

export const createCallFacts = (): CallFacts => ({ outcome: 'done', isBegun: false, data: {} });

/** Of the scrubbed arguments as the model wrote them, which the journal has as `input`. */
export const argumentsDigest = (input: JsonObject | undefined): JsonObject =>
  input === undefined ? {} : { argumentsSha256: sha256(canonicalJson(input)) };

/** Longer values are no words of a configuration. */
const MAX_AUDITED_CHARS = 64;

/** The values of the arguments that the tool has recorded, as it gets them. */
export function auditedArguments({ auditedArguments: names = [] }: Tool, input: unknown): JsonObject {
  if (!isJsonObject(input)) return {};
  const found = names.flatMap((name) => {
    const value = Object.hasOwn(input, name) ? input[name] : undefined;
    return typeof value === 'string' && value.length <= MAX_AUDITED_CHARS ? [[name, value] as const] : [];
  });
  return found.length === 0 ? {} : { arguments: Object.fromEntries(found) };
}

export interface CallReport {
  readonly step: string;
  /** The name of a tool that exists, or `unknown`: what a model made up is not repeated. */
  readonly tool: string;
  readonly result: ToolResult;
  readonly facts: CallFacts;
  readonly ms: number;
}

/** One line, one count and one entry of the audit for every call: words of ours only. */
export function reportCall(
  { step, tool, result, facts, ms }: CallReport,
  {
    tenant,
    agent,
    eventId,
    meter,
    logger,
    trail,
  }: {
    readonly tenant: string;
    readonly agent: string;
    readonly eventId: string;
    readonly meter: Meter;
    readonly logger: Logger;
    readonly trail: Trail;
  },
): void {
  const fields = { tenant, eventId, agent, tool, step, ms };
  if (result.kind === 'refused') {
    meter.toolCalled(tool, result.code);
    logger.warn({ ...fields, reason: result.code }, 'tool.refused');
    trail.note('tool.refused', { agent, tool, step, code: result.code, ...(facts.isBegun ? facts.data : {}) });
  } else {
    meter.toolCalled(tool, 'done');
    logger.info(fields, 'tool.called');
    trail.note('tool.called', { agent, tool, step, outcome: facts.outcome, ...facts.data });
  }
}

/** A call within which the attempt ended: what it did, it did. */
export function reportInterrupted(
  { step, tool, facts, error }: Pick<CallReport, 'step' | 'tool' | 'facts'> & { readonly error: unknown },
  { agent, trail }: { readonly agent: string; readonly trail: Trail },
): void {
  if (!facts.isBegun) return;
  trail.note('tool.called', { agent, tool, step, outcome: 'interrupted', code: codeOf(error), ...facts.data });
}
