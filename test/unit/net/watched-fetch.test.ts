import { describe, expect, it, onTestFinished } from 'vitest';
import { asFetch } from '../../../src/net/clients.ts';
import { failed } from '../../../src/net/guard/reasons.ts';
import { createGuardedFetch, type GuardedFetchOptions } from '../../../src/net/guarded-fetch.ts';
import { sleep } from '../../support/clock.ts';
import { fixedNames, startWeb } from './support/web.ts';

const LOCAL = '127.0.0.1';
const watchOver = (options: Partial<GuardedFetchOptions>) => {
  const guarded = createGuardedFetch({ resolve: fixedNames({}), timeoutMs: 1_000, ...options });
  onTestFinished(() => void guarded.close().catch(() => undefined));
  return asFetch(guarded);
};

const post = { method: 'POST', body: '{"prompt":"hi"}' };
/** A server, and a client that may ask it. */
async function serving(handler: Parameters<typeof startWeb>[0], options: Partial<GuardedFetchOptions> = {}) {
  const web = await startWeb(handler);
  return {
    web,
    url: `http://${LOCAL}:${web.port}/`,
    client: watchOver({ allow: [{ host: LOCAL, port: web.port }], ...options }),
  };
}

const half: Parameters<typeof startWeb>[0] = (request, response) => {
  response.writeHead(request.url === '/error' ? 503 : 200, { 'content-length': 100 });
  response.write('x'.repeat(50), () => response.destroy());
};

describe('a request of which nothing was sent is unserved', () => {
  const failing = (error: Error): Partial<GuardedFetchOptions> => ({
    allow: [{ host: LOCAL, port: 9 }],
    connector: (_, callback) => callback(error, null),
  });
  const named: Partial<GuardedFetchOptions> = { allow: [{ host: 'vendor.example', port: 9 }] };

  it.each<[string, string, Partial<GuardedFetchOptions>, string]>([
    ['a refused connection', `http://${LOCAL}:9/`, { allow: [{ host: LOCAL, port: 9 }] }, 'connect-failed'],
    [
      'a connection that takes too long',
      `http://${LOCAL}:9/`,
      failing(Object.assign(new Error('slow'), { code: 'UND_ERR_CONNECT_TIMEOUT' })),
      'connect-failed',
    ],
    ['a name without addresses', 'http://vendor.example:9/', named, 'dns-empty'],
    [
      'name servers that fail',
      'http://vendor.example:9/',
      { ...named, resolve: () => Promise.reject(failed('dns-failed')) },
      'dns-failed',
    ],
    [
      'name servers that hang',
      'http://vendor.example:9/',
      { ...named, resolve: () => new Promise(() => {}), timeoutMs: 50 },
      'timeout',
    ],
    ['an address the guard refuses', 'http://10.0.0.1/', {}, 'address-private'],
  ])('after %s', async (_, url, options, reason) => {
    const watched = watchOver(options).watch();
    await expect(watched.fetch(url, post)).rejects.toMatchObject({ reason });
    expect(watched.isUnserved()).toBe(true);
  });

  it('after a server that speaks no TLS', async () => {
    const { web, client } = await serving((_, response) => response.end());
    const watched = client.watch();
    await expect(watched.fetch(`https://${LOCAL}:${web.port}/`, post)).rejects.toMatchObject({ reason: 'tls-failed' });
    expect(watched.isUnserved()).toBe(true);
  });

  it('when its time is over while it waits for a connection, unlike those that have one', async () => {
    const { web, url, client } = await serving(() => undefined, { timeoutMs: 500 });
    // 16 connections an address; the 17th request waits for one of them.
    const all = Array.from({ length: 17 }, () => client.watch());
    const failures = await Promise.allSettled(all.map(({ fetch }) => fetch(url, post)));
    expect(new Set(failures.map(({ status }) => status))).toEqual(new Set(['rejected']));
    expect(web.requests).toHaveLength(16);
    expect(all.map((watched) => watched.isUnserved())).toEqual(all.map((_, at) => at === 16));
  });
});

describe('a complete answer', () => {
  it.each([301, 400, 401, 403, 404, 408, 429, 500, 502, 503, 504, 529])('%d is unserved', async (status) => {
    const { url, client } = await serving((_, response) => response.writeHead(status).end('no'));
    const watched = client.watch();
    expect((await watched.fetch(url, post)).status).toBe(status);
    expect(watched.isUnserved()).toBe(true);
  });

  it.each([200, 202, 204])('%d is served', async (status) => {
    const { url, client } = await serving((_, response) => response.writeHead(status).end());
    const watched = client.watch();
    await watched.fetch(url, post);
    expect(watched.isUnserved()).toBe(false);
  });
});

describe('what became of a request is not known', () => {
  it.each<[string, Parameters<typeof startWeb>[0]]>([
    ['when the connection ends before an answer', (request) => request.socket.destroy()],
    ['when no answer comes in time', () => undefined],
    ['when the body of a 200 ends early', half],
    [
      'when the body of a 503 cannot be decoded',
      (_, response) => response.writeHead(503, { 'content-encoding': 'gzip' }).end('not gzip'),
    ],
  ])('%s', async (_, handler) => {
    const { url, client } = await serving(handler, { timeoutMs: 300 });
    const watched = client.watch();
    await expect(watched.fetch(url, post)).rejects.toThrow();
    expect(watched.isUnserved()).toBe(false);
  });

  it('when the body of a 503 ends early', async () => {
    const { url, client } = await serving(half);
    const watched = client.watch();
    await expect(watched.fetch(`${url}error`, post)).rejects.toThrow();
    expect(watched.isUnserved()).toBe(false);
  });

  it('when its caller aborts it after it was sent', async () => {
    const stopping = new AbortController();
    const { url, client } = await serving(() => stopping.abort(new Error('enough')));
    const watched = client.watch();
    await expect(watched.fetch(url, { ...post, signal: stopping.signal })).rejects.toThrow('enough');
    expect(watched.isUnserved()).toBe(false);
  });

  it('when a connection that was used before ends with it', async () => {
    const { web, url, client } = await serving((request, response) =>
      web.requests.length === 1 ? response.writeHead(503).end() : request.socket.destroy(),
    );
    const first = client.watch();
    await first.fetch(url, post);
    // The pool has the connection back a moment after the answer.
    await sleep(50);
    const second = client.watch();
    await expect(second.fetch(url, post)).rejects.toThrow();
    expect([web.connections(), first.isUnserved(), second.isUnserved()]).toEqual([1, true, false]);
  });

  it('when one of several requests was served', async () => {
    const { web, url, client } = await serving((_, response) =>
      response.writeHead(web.requests.length === 1 ? 200 : 503).end(),
    );
    const watched = client.watch();
    await watched.fetch(url, post);
    await watched.fetch(url, post);
    expect(watched.isUnserved()).toBe(false);
  });
});
