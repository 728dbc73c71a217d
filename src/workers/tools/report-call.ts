import type { Finding } from '../../scrub/scrub.ts';
import type { ToolboxDeps, ToolResult } from './toolbox.ts';

export interface CallReport {
  readonly step: string;
  /** The name of a tool that exists, or `unknown`: what a model made up is not repeated. */
  readonly tool: string;
  readonly result: ToolResult;
  readonly ms: number;
}

type ReportDeps = Pick<ToolboxDeps, 'tenant' | 'agent' | 'eventId' | 'meter' | 'logger' | 'trail'>;

/** One line and one count for every call, and an entry of the audit for one that was refused: words of ours only. */
export function reportCall({ step, tool, result, ms }: CallReport, deps: ReportDeps): void {
  const { tenant, agent, eventId, meter, logger, trail } = deps;
  const fields = { tenant, eventId, agent, tool, step, ms };
  if (result.kind === 'refused') {
    meter.toolCalled(tool, result.code);
    logger.warn({ ...fields, reason: result.code }, 'tool.refused');
    trail.note('tool.refused', { agent, tool, step, code: result.code });
  } else {
    meter.toolCalled(tool, 'done');
    logger.info(fields, 'tool.called');
  }
}

export function meterFindings(findings: readonly Finding[], { meter }: Pick<ToolboxDeps, 'meter'>): void {
  for (const { rule, count } of findings) meter.scrubbed(rule, count);
}
