import type * as z from 'zod';
import { type Environment, settingAt, settingName, settingsBeside, type Variables } from './variables.ts';

/** What is wrong with a configuration, in words that name settings and hold no value. */

export const EXPECTED: Readonly<Record<string, string>> = {
  string: 'must be text',
  number: 'must be a number',
  boolean: 'must be true or false',
  array: 'must be a list',
  object: 'must be an object of settings',
  record: 'must be an object',
};

/** For what the schema has no words of its own. The library's speak of its own types. */
export const plainly = ({ code, expected }: z.core.$ZodRawIssue): string | undefined =>
  code === 'invalid_type' ? (EXPECTED[String(expected)] ?? 'is not of the right type') : undefined;

/** `SETTING: what is wrong`, without any value. */
export function problemsOf(
  issue: z.core.$ZodIssue,
  environment: Environment,
  input: unknown,
  variables: Variables,
): string[] {
  const at = (path: readonly PropertyKey[], message: string): string =>
    `${settingName(path, environment, variables)}: ${message}`;
  // An unknown key's name is the operator's own spelling, not a value; without it the message would help nobody.
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => at([...issue.path, key], 'is not a setting'));
  }
  if (issue.code === 'invalid_type' && settingAt(input, issue.path.map(String)) === undefined) {
    const given = settingsBeside(issue.path, environment, variables);
    return [at(issue.path, given.length === 0 ? 'is required' : `is required with ${given.join(', ')}`)];
  }
  return [at(issue.path, issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message)];
}

/** Not what is somebody else's: a tool may keep what it likes beside its functions, and byte arrays cannot be frozen. */
export function deepFreeze<T>(value: T): T {
  if (!Array.isArray(value) && !isPlain(value)) return value;
  const children = Object.values(value);
  if (children.some((child) => typeof child === 'function')) return value;
  Object.freeze(value);
  for (const child of children) deepFreeze(child);
  return value;
}

const isPlain = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
