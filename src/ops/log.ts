import { type DestinationStream, pino } from 'pino';
import type { LogFields, Logger } from '../core/logger.ts';

export interface LogOptions {
  readonly level: string;
  /** Last pass over each serialised line: secrets out, one line stays one line. */
  readonly scrubLine: (line: string) => string;
  /** Which lines certainly need no such pass, by their fields and their name. */
  readonly vouch: (fields: LogFields, name: string) => boolean;
  /** A person reads along: short lines instead of JSON. */
  readonly isPretty: boolean;
}

export interface Log extends Logger {
  /** Writes what is buffered; call it before the process ends. */
  flush(): void;
}

/**
 * Buffer of the log in bytes, less than the 16 KiB that pino's destination writes at once. A line per delivery would
 * otherwise be a system call per delivery.
 */
const BUFFER_BYTES = 16_000;
/** Milliseconds a line may wait in that buffer. */
const FLUSH_MS = 200;

/** JSON lines to standard error; standard output belongs to what a command prints. */
export function createLog({ level, scrubLine, vouch, isPretty }: LogOptions): Log {
  const output = pino.destination({ dest: 2, sync: isPretty, minLength: isPretty ? 0 : BUFFER_BYTES });
  // Not flushSync: that waits for the disk, and deliveries would wait with it.
  const timer = setInterval(() => output.flush(), FLUSH_MS);
  timer.unref();
  // pino writes a line before it returns from the call that asked for it.
  let isVouched = false;
  const stream: DestinationStream = {
    // Twice where a person reads: unpacking the line brings back what the first pass had escaped.
    write: (line) =>
      output.write(isPretty ? scrubLine(prettyLine(scrubLine(line))) : isVouched ? line : scrubLine(line)),
  };
  const log = pino(
    { level, serializers: { error: (error) => serializeError(error) }, base: { pid: process.pid } },
    stream,
  );
  const write = (at: 'debug' | 'info' | 'warn' | 'error') => (fields: LogFields, name: string) => {
    isVouched = vouch(fields, name);
    try {
      log[at](fields, name);
    } finally {
      // Whatever else writes to this stream has to pass.
      isVouched = false;
    }
  };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    flush: () => flushQuietly(output),
  };
}

/** A closed or full standard error is no reason to stop accepting. */
function flushQuietly(output: { flushSync(): void }): void {
  try {
    output.flushSync();
  } catch {
    // Nothing can be written about a log that cannot be written.
  }
}

/** Errors beneath one another that are shown: one may be its own cause. */
const MAX_CAUSES = 16;

function serializeError(error: unknown, deep = 0): unknown {
  if (!(error instanceof Error)) return { name: typeof error };
  const { name, message, stack } = error;
  const code = 'code' in error ? error.code : undefined;
  const isEnd = error.cause === undefined || deep === MAX_CAUSES;
  const cause = isEnd ? undefined : serializeError(error.cause, deep + 1);
  return { name, message, code, stack, cause };
}

const HIDDEN: ReadonlySet<string> = new Set(['level', 'time', 'pid', 'msg', 'requestId']);
const LEVELS: Readonly<Record<number, string>> = { 40: ' WARN', 50: ' ERROR', 60: ' FATAL' };

function prettyLine(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const shown = Object.entries(fields)
    .filter(([key, value]) => !HIDDEN.has(key) && value !== '')
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const at = new Date(Number(time)).toISOString().slice(11, 23);
  return `${at}${LEVELS[Number(level)] ?? ''} ${String(msg)} ${shown.join(' ')}\n`;
}
