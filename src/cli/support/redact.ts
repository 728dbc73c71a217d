import { createHmac, randomBytes } from 'node:crypto';
import { nodeCrypto } from '../../core/crypto/crypto.node.ts';
import { createScrubber } from '../../scrub/scrubber.ts';
import { correlatedFields, harmlessFields, harmlessLabels } from './harmless.ts';

/** What takes everything out of a bundle that is not known to be harmless. */
export interface Redactor {
  /** Words of the gate about itself: names of settings, codes and plain words that no setting has as its value stay. */
  text(text: string): string;
  /** A line of the log: listed fields and the event's name. */
  logLine(line: string): object;
  /** Metrics in Prometheus' text format, without labels that are not listed. */
  metrics(text: string): string[];
  /** A short digest by which the same name is recognised within one bundle only. */
  digest(name: string): string;
}

/** A word of the gate's own: no digits, no upper case, or the name of a setting or a code. */
const PLAIN =
  /^[("'`]*(?:[a-z]{1,16}(?:[_'’-][a-z]{1,16}){0,3}|(?:ERR|SALLYPORT|SLACK|GRAPH|TEAMS|GMAIL|LLM)_[A-Z_]{1,60}|PORT|HOST|Redis|X-Forwarded-For|\d{1,6})[)"'`.,:;]*$/;

/** What a listed field or label may hold. */
const WORD = /^[a-z][A-Za-z0-9_.+-]{0,40}$|^[A-Z][A-Z0-9_]{0,60}$|^[+-]?(?:\d+(?:\.\d+)?(?:e[+-]\d+)?|Inf)$/;

const REDACTED = '[redacted]';

/** Shortest value of a setting that is looked for in texts: shorter ones are parts of ordinary words. */
const MIN_VALUE = 3;

/** @param values texts of the configuration and the environment, of which none may be shown */
export function createRedactor(values: readonly string[]): Redactor {
  const key = randomBytes(32);
  const scrub = createScrubber({ crypto: nodeCrypto, key });
  const words = values
    .flatMap((value) => [value, ...value.split(/[\s,/:@=.]+/)])
    .filter((one) => one.length >= MIN_VALUE);
  const hidden = new Set(words.map((word) => word.toLowerCase()));
  const bare = (word: string): string => {
    const characters = [...word];
    const isIn = (character: string): boolean => /^[\p{L}\p{N}]$/u.test(character);
    return characters
      .slice(Math.max(0, characters.findIndex(isIn)), characters.findLastIndex(isIn) + 1)
      .join('')
      .toLowerCase();
  };
  const isShown = (word: string): boolean => PLAIN.test(word) && !hidden.has(bare(word));
  const digest = (name: string): string => `#${createHmac('sha256', key).update(name).digest('hex').slice(0, 8)}`;
  const isWord = (value: string): boolean =>
    WORD.test(value) && !hidden.has(value.toLowerCase()) && scrub(value).value === value;

  function text(said: string): string {
    const shown = said.split(/\s+/).map((word) => (isShown(word) ? word : REDACTED));
    return shown.filter((word, at) => word !== REDACTED || shown[at - 1] !== REDACTED).join(' ');
  }

  function fieldOf(name: string, value: unknown): unknown {
    if (correlatedFields.has(name)) return typeof value === 'string' ? digest(value) : REDACTED;
    if (!harmlessFields.has(name)) return undefined;
    if (typeof value === 'number' || typeof value === 'boolean') return value;
    return typeof value === 'string' && isWord(value) ? value : REDACTED;
  }

  function logLine(line: string): object {
    const fields = parseObject(line);
    if (fields === null) return { unreadable: line.length };
    const { msg, error, ...all } = fields;
    // A guardrail's reason is a word of an operator's, or of a service.
    const { reason, ...others } = all;
    if (reason !== undefined && !String(msg).startsWith('guardrail')) Object.assign(others, { reason });
    const shown = Object.entries(others).map(([name, value]) => [name, fieldOf(name, value)] as const);
    return {
      ...Object.fromEntries(shown.filter(([, value]) => value !== undefined)),
      ...(typeof msg === 'string' && { msg: isWord(msg) ? msg : REDACTED }),
      ...(error !== undefined && { error: errorOf(error) }),
    };
  }

  /** What was thrown and where: a message may quote anything, a path names a folder. */
  function errorOf(error: unknown): object {
    const { code, type, name, stack } = isObject(error) ? error : {};
    const kind = [type, name].find((one) => typeof one === 'string' && /^[A-Z][A-Za-z]{2,40}$/.test(one));
    const frames = typeof stack === 'string' ? stack.split('\n').flatMap((line) => frameOf(line) ?? []) : [];
    return {
      ...(kind !== undefined && { kind }),
      ...(typeof code === 'string' && isWord(code) && { code }),
      frames: frames.slice(0, 20),
    };
  }

  function metrics(page: string): string[] {
    return page.split('\n').flatMap((line) => {
      const [, name = '', labels = '', value = ''] = /^([a-z_:]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (name === '' || !WORD.test(value)) return [];
      const shown = [...labels.matchAll(/(?:^|,)([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', held = '']) =>
        harmlessLabels.has(label) && isWord(held) ? `${label}="${held}"` : `${label}="${digest(held)}"`,
      );
      return [`${name}${shown.length === 0 ? '' : `{${shown.join(',')}}`} ${value}`];
    });
  }

  return { text, logLine, metrics, digest };
}

/** Name of the source file, line and column in a line of a stack, without the folder. */
function frameOf(line: string): string | null {
  const [, file = '', row, column] =
    /^([\w.-]{1,60}):(\d{1,9}):(\d{1,9})\)?$/.exec(line.slice(line.lastIndexOf('/') + 1)) ?? [];
  return /\.[cm]?[jt]s$/.test(file) ? `${file}:${row}:${column}` : null;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseObject(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
