import * as z from 'zod';
import { type FieldError, SallyportError } from './errors.ts';

/**
 * What a caller sent, in the shape it must have.
 * @throws SallyportError ERR_INVALID_REQUEST, with each field that is wrong and what it may be
 */
export function validated<T>(value: unknown, shape: z.ZodType<T>): T {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.slice(0, MAX_ERRORS).map((issue) => fieldError(issue, shape));
  const detail = errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
  throw new SallyportError('ERR_INVALID_REQUEST', detail, { errors });
}

/** Errors of one answer: nobody corrects more at once, and a hostile body could make thousands. */
const MAX_ERRORS = 10;

type Issue = z.core.$ZodIssue;

const fieldError = (issue: Issue, shape: z.ZodType): FieldError => ({
  path: pathOf(issue.path, shape),
  message: messageOf(issue, shape),
});

/** Only names that the shape has: a caller's own key could be anything. */
function pathOf(path: readonly PropertyKey[], shape: z.ZodType): string {
  const names: string[] = [];
  let at: unknown = shape;
  for (const part of path) {
    if (typeof part === 'number') {
      names.push(String(part));
      at = undefined;
      continue;
    }
    const fields = fieldsOf(at);
    if (fields === undefined || !Object.hasOwn(fields, part)) break;
    names.push(String(part));
    at = fields[String(part)];
  }
  return names.join('.');
}

/** The fields of an object's shape, through wrappers such as `optional`; undefined for anything else. */
function fieldsOf(shape: unknown): Readonly<Record<string, unknown>> | undefined {
  let inner = shape;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodNullable) {
    inner = inner.unwrap();
  }
  return inner instanceof z.ZodObject ? inner.shape : undefined;
}

function messageOf(issue: Issue, shape: z.ZodType): string {
  // Texts a shape gives itself say best what it wants; zod's own would do as well, but for keys and values they quote.
  if (!/^(Invalid|Too|Unrecognized)/.test(issue.message)) return issue.message;
  switch (issue.code) {
    case 'unrecognized_keys': {
      let at: unknown = shape;
      for (const part of issue.path) at = fieldsOf(at)?.[String(part)];
      const fields = Object.keys(fieldsOf(at) ?? {});
      return fields.length === 0 ? 'has an unknown field' : `has an unknown field; allowed are ${fields.join(', ')}`;
    }
    case 'invalid_type':
      return issue.message.endsWith('received undefined') ? 'is required' : `must be ${article(issue.expected)}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return `must ${bound(issue.origin)} at least ${issue.minimum}${unit(issue.origin)}`;
    case 'too_big':
      return `must ${bound(issue.origin)} at most ${issue.maximum}${unit(issue.origin)}`;
    default:
      return 'is not valid';
  }
}

const article = (type: string): string => (/^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`);
const bound = (origin: string): string => (origin === 'string' || origin === 'array' ? 'have' : 'be');
const unit = (origin: string): string => ({ string: ' characters', array: ' entries' })[origin] ?? '';
