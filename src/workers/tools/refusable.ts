import type { Scrub } from '../../scrub/scrub.ts';
import { Refused } from './refusal.ts';
import type { ToolResult } from './toolbox.ts';

/** A refusal on the way becomes the answer. `scrub` cleans messages that tools wrote. */
export async function refusable(work: () => Promise<ToolResult>, scrub?: Scrub): Promise<ToolResult> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { code, message } = error;
    return { kind: 'refused', code, message: scrub === undefined ? message : scrub(message).value };
  }
}
