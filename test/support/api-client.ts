import { expect } from 'vitest';
import type { Routes } from './api-types.ts';

type Input<R> = Omit<R, 'answers'> & { readonly headers?: Readonly<Record<string, string>> };

/** Nothing to give where nothing is required. */
type Given<R> = Record<never, never> extends Input<R> ? [input?: Input<R>] : [input: Input<R>];

type Answers<K extends keyof Routes> = Routes[K]['answers'];

/** A caller of the API, typed by the API's own description: what differs from it does not compile. */
export interface ApiClient {
  /** Asks, expects the status, and gives the body that the description has for it. */
  call<K extends keyof Routes, S extends keyof Answers<K> & number>(
    route: K,
    status: S,
    ...given: Given<Routes[K]>
  ): Promise<{ readonly body: Answers<K>[S]; readonly headers: Headers }>;
}

export const createApiClient = (url: string, token: string): ApiClient => ({
  async call(route, status, ...[input]) {
    const [method = '', path = ''] = route.split(' ');
    const given = (input ?? {}) as {
      readonly path?: Readonly<Record<string, string>>;
      readonly query?: Readonly<Record<string, string>>;
      readonly body?: unknown;
      readonly headers?: Readonly<Record<string, string>>;
    };
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(given.path?.[name] ?? ''));
    const query = given.query === undefined ? '' : `?${new URLSearchParams(given.query)}`;
    const response = await fetch(`${url}${filled}${query}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...given.headers },
      ...(given.body === undefined ? {} : { body: JSON.stringify(given.body) }),
    });
    const text = await response.text();
    expect(response.status, `${route}: ${text}`).toBe(status);
    const isJson = /\bjson$/.test(response.headers.get('content-type') ?? '');
    return { body: text === '' ? null : isJson ? JSON.parse(text) : text, headers: response.headers };
  },
});
