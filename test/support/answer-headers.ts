import { expect } from 'vitest';

/** The headers that every answer has, as the documentation gives them. */
const expected: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** Nothing that says what answers: products and versions are looked up in lists of known faults. */
const banners = ['server', 'x-powered-by', 'via'];

/** Headers of an answer by their lower-case names. */
interface AnswerHeaders {
  get(name: string): string | null | undefined;
  has(name: string): boolean;
}

/** Fails unless the headers of every answer are there, once each. `isSecure`: it came over HTTPS. */
export function expectAnswerHeaders(headers: AnswerHeaders, isSecure = false): void {
  expect(Object.fromEntries(Object.keys(expected).map((name) => [name, headers.get(name)]))).toEqual(expected);
  expect(headers.get('strict-transport-security') ?? null).toBe(isSecure ? 'max-age=31536000' : null);
  expect(banners.filter((name) => headers.has(name))).toEqual([]);
}
