import type { LogFields, Logger } from '../../core/logger.ts';
import { createLogScrubber, createVouch } from '../../scrub/log-scrub.ts';
import type { Scrub } from '../../scrub/scrub.ts';

/** From the least to the most important; `silent` is above all. */
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** Frames of a stack that a line holds. */
const MAX_STACK_CHARS = 4_000;

/** JSON lines to the console, which Workers Logs reads, each through the same last pass as on Node. */
export function createEdgeLog(level: string, scrub: Scrub): Logger {
  const scrubLine = createLogScrubber(scrub);
  const vouch = createVouch(scrub);
  const least = LEVELS.indexOf(level);
  const write = (at: 'debug' | 'info' | 'warn' | 'error') => (fields: LogFields, name: string) => {
    if (LEVELS.indexOf(at) < least) return;
    const line = JSON.stringify({ level: at, time: Date.now(), ...fields, msg: name }, errorAsObject);
    console[at](vouch(fields, name) ? line : scrubLine(line));
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

const errorAsObject = (_: string, value: unknown): unknown =>
  value instanceof Error
    ? { name: value.name, message: value.message, stack: value.stack?.slice(0, MAX_STACK_CHARS), cause: value.cause }
    : value;
