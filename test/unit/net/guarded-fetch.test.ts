import { getEventListeners } from 'node:events';
import { createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createGuardedFetch, type GuardedFetchOptions } from '../../../src/net/guarded-fetch.ts';
import { until } from '../../support/until.ts';
import { dialling, fixedNames, redirecting, startCounting, startWeb } from './support/web.ts';

const PUBLIC = '93.184.216.34';
const OTHER = '1.1.1.1';

/** A client for one local server, which is on its allow-list. */
const clientFor = (port: number, options: Partial<GuardedFetchOptions> = {}) => {
  const fetch = createGuardedFetch({
    resolve: fixedNames({}),
    allow: [{ host: '127.0.0.1', port }],
    ...options,
  });
  onTestFinished(() => fetch.close());
  return { fetch, url: `http://127.0.0.1:${port}/` };
};

describe('a guarded request', () => {
  it('carries method, headers and body, and brings back status, headers and body', async () => {
    let received = '';
    const web = await startWeb((request, response) => {
      request.on('data', (chunk) => {
        received += chunk;
      });
      request.on('end', () =>
        response.writeHead(201, { 'x-made': 'yes', 'set-cookie': ['a=1', 'b=2'] }).end('{"ok":1}'),
      );
    });
    const { fetch, url } = clientFor(web.port);
    const response = await fetch(url, { method: 'POST', headers: { 'X-Key': 'k' }, body: 'hé' });
    expect(received).toBe('hé');
    expect(web.requests[0]).toMatchObject({ method: 'POST', headers: { 'x-key': 'k', host: `127.0.0.1:${web.port}` } });
    expect(response.status).toBe(201);
    expect(response.headers.get('x-made')).toBe('yes');
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(response.json()).toEqual({ ok: 1 });
    expect(response.url).toBe(url);
  });

  it('keeps the name in the Host header while the socket goes to the address', async () => {
    const web = await startWeb((_request, response) => response.end());
    const { connector, dialled } = dialling({ [`${PUBLIC}:80`]: web.port });
    const fetch = createGuardedFetch({ resolve: fixedNames({ 'open.example': [PUBLIC] }), connector });
    await fetch('http://open.example./x#fragment');
    expect(dialled).toEqual([`${PUBLIC}:80`]);
    expect(web.requests[0]).toMatchObject({ url: '/x', headers: { host: 'open.example' } });
    await fetch.close();
  });

  it.each([
    [{ host: 'internal' }],
    [{ Connection: 'upgrade' }],
    [{ 'transfer-encoding': 'chunked' }],
    [{ 'Content-Length': '1' }],
    [{ 'accept-encoding': 'zstd' }],
    [{ 'x-a': 'b\r\nhost: internal' }],
    [{ 'x a': 'b' }],
    [{ 'x-a': '1', 'X-A': '2' }],
  ])('is refused with the headers %j', async (headers) => {
    const web = await startWeb((_request, response) => response.end());
    const { fetch, url } = clientFor(web.port);
    await expect(fetch(url, { headers })).rejects.toMatchObject({ reason: 'request-malformed' });
    expect(web.connections()).toBe(0);
  });

  it('is refused when a GET carries a body', async () => {
    const { fetch, url } = clientFor(1);
    await expect(fetch(url, { body: 'x' })).rejects.toMatchObject({ reason: 'request-malformed' });
  });

  it('tries the next address when the first does not answer, and never a third time', async () => {
    const web = await startWeb((_request, response) => response.end('up'));
    const { connector, dialled } = dialling({ [`${OTHER}:80`]: web.port });
    const dead = ['93.184.216.34', '93.184.216.35', '93.184.216.36', '93.184.216.37'];
    const resolve = fixedNames({ 'half.example': [PUBLIC, OTHER], 'dead.example': dead });
    const fetch = createGuardedFetch({ resolve, connector });
    expect((await fetch('http://half.example/')).text()).toBe('up');
    expect(dialled).toEqual([`${PUBLIC}:80`, `${OTHER}:80`]);
    await turn();
    // The address that answered is known now.
    await fetch('http://half.example/');
    expect(dialled).toHaveLength(2);
    await expect(fetch('http://dead.example/')).rejects.toMatchObject({
      code: 'ERR_OUTBOUND_FAILED',
      reason: 'connect-failed',
    });
    expect(dialled).toHaveLength(5);
    await fetch.close();
  });

  it('is sent once, even when its connection breaks', async () => {
    const web = await startWeb((request) => request.socket.destroy());
    const { connector, dialled } = dialling({ [`${PUBLIC}:80`]: web.port, [`${OTHER}:80`]: web.port });
    const fetch = createGuardedFetch({ resolve: fixedNames({ 'open.example': [PUBLIC, OTHER] }), connector });
    await expect(fetch('http://open.example/', { method: 'POST', body: '1' })).rejects.toMatchObject({
      code: 'ERR_OUTBOUND_FAILED',
      reason: 'connection-lost',
    });
    expect(dialled).toHaveLength(1);
    expect(web.requests).toHaveLength(1);
    await fetch.close();
  });

  it('reuses the socket of its pinned address, and opens another for another address', async () => {
    const web = await startWeb((_request, response) => response.end('ok'));
    const { connector, dialled } = dialling({ [`${PUBLIC}:80`]: web.port, [`${OTHER}:80`]: web.port });
    let answer = [PUBLIC];
    // A turn of the loop, as a real lookup takes: undici frees a socket in the turn after its response ended.
    const fetch = createGuardedFetch({ resolve: () => turn(answer), connector });
    for (let index = 0; index < 5; index++) await fetch(`http://open.example/${index}`);
    expect(dialled).toEqual([`${PUBLIC}:80`]);
    answer = [OTHER, PUBLIC];
    await fetch('http://open.example/rotated');
    expect(dialled).toEqual([`${PUBLIC}:80`]);
    answer = [OTHER];
    await fetch('http://open.example/moved');
    expect(dialled).toEqual([`${PUBLIC}:80`, `${OTHER}:80`]);
    expect(web.connections()).toBe(2);
    await fetch.close();
  });

  it('keeps the sockets of the origins used last, and no more than 128', async () => {
    const web = await startWeb((_request, response) => response.end('ok'));
    const { connector, dialled } = dialling({ [`${PUBLIC}:80`]: web.port });
    const fetch = createGuardedFetch({ resolve: () => turn([PUBLIC]), connector });
    const visit = (index: number) => fetch(`http://site-${index}.example/`);
    for (let index = 0; index < 128; index++) await visit(index);
    await visit(0);
    expect(dialled).toHaveLength(128);
    await visit(128);
    await visit(0);
    expect(dialled).toHaveLength(129);
    await visit(1);
    expect(dialled).toHaveLength(130);
    await fetch.close();
  });

  it('goes through no proxy, whatever the environment says', async () => {
    const proxy = await startCounting(createServer());
    for (const name of ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'ALL_PROXY', 'all_proxy']) {
      vi.stubEnv(name, `http://127.0.0.1:${proxy.port}`);
    }
    vi.stubEnv('NODE_USE_ENV_PROXY', '1');
    onTestFinished(() => void vi.unstubAllEnvs());
    const web = await startWeb((_request, response) => response.end('direct'));
    const { fetch, url } = clientFor(web.port);
    expect((await fetch(url)).text()).toBe('direct');
    expect(proxy.connections()).toBe(0);
  });
});

describe('abort and time', () => {
  it('rejects with the reason of the caller’s signal, before and during the request', async () => {
    const web = await startWeb(() => undefined);
    const { fetch, url } = clientFor(web.port);
    const early = new Error('early');
    await expect(fetch(url, { signal: AbortSignal.abort(early) })).rejects.toBe(early);
    expect(web.connections()).toBe(0);

    const controller = new AbortController();
    const pending = fetch(url, { signal: controller.signal });
    await until('the request has come', () => web.requests.length > 0, { everyMs: 0 });
    const late = Object.assign(new Error('late'), { code: 'ECONNRESET' });
    controller.abort(late);
    await expect(pending).rejects.toBe(late);
  });

  it('leaves neither timer nor listener behind', async () => {
    const web = await startWeb((_request, response) => response.end());
    const { fetch, url } = clientFor(web.port, { timeoutMs: 3_600_000 });
    const { signal } = new AbortController();
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    await fetch(url, { signal });
    const before = timers();
    for (let count = 0; count < 20; count++) await fetch(url, { signal });
    expect(timers()).toBeLessThan(before + 10);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it.each<[string, Parameters<typeof startWeb>[0]]>([
    ['sends no head', () => undefined],
    ['stops within the body', (_request, response) => void response.writeHead(200).write('x')],
    [
      'drips its body',
      (_request, response) => {
        response.writeHead(200);
        const drip = setInterval(() => response.write('x'), 10);
        response.on('close', () => clearInterval(drip));
      },
    ],
    [
      'stops within the body of a redirect',
      (_request, response) => void response.writeHead(302, { location: '/' }).write('x'),
    ],
  ])('gives up on a server that %s', async (_case, handler) => {
    const web = await startWeb(handler);
    const { fetch, url } = clientFor(web.port, { timeoutMs: 300 });
    await expect(fetch(url)).rejects.toMatchObject({ code: 'ERR_OUTBOUND_TIMEOUT', reason: 'timeout' });
  });

  it('gives up on a resolver that never answers, and connects to nothing when it answers late', async () => {
    const { connector, dialled } = dialling({});
    let answerLate: (addresses: string[]) => void = () => undefined;
    const resolve = () => new Promise<string[]>((done) => (answerLate = done));
    const fetch = createGuardedFetch({ resolve, connector, timeoutMs: 100 });
    await expect(fetch('http://slow.example/')).rejects.toMatchObject({ code: 'ERR_OUTBOUND_TIMEOUT' });
    answerLate([PUBLIC]);
    await turn();
    await turn();
    expect(dialled).toEqual([]);
  });
});

describe('following redirects', () => {
  /** Two origins of one server; `/` answers with the status and location under test, the rest says what it got. */
  const startPair = async (status: number, location: string) => {
    const web = await startWeb((request, response) => {
      if (request.url === '/') redirecting(status, location)(request, response);
      else request.resume().on('end', () => response.end('landed'));
    });
    const { connector } = dialling({ [`${PUBLIC}:80`]: web.port, [`${OTHER}:80`]: web.port });
    const resolve = fixedNames({ 'one.example': [PUBLIC], 'two.example': [OTHER] });
    const fetch = createGuardedFetch({ resolve, connector });
    onTestFinished(() => fetch.close());
    return { web, fetch };
  };
  const secrets = { authorization: 'Bearer t', cookie: 'a=b', 'x-api-key': 'k', accept: 'text/html' };

  it('keeps headers within the origin', async () => {
    const { web, fetch } = await startPair(302, '/next');
    expect((await fetch('http://one.example/', { headers: secrets })).url).toBe('http://one.example/next');
    expect(web.requests[1]?.headers).toMatchObject(secrets);
  });

  it.each(['http://two.example/next', 'http://one.example:443/next'])(
    'takes no credential along to %s',
    async (location) => {
      const web = await startWeb((request, response) => {
        if (request.url === '/') redirecting(302, location)(request, response);
        else response.end('landed');
      });
      const routes = { [`${PUBLIC}:80`]: web.port, [`${OTHER}:80`]: web.port, [`${PUBLIC}:443`]: web.port };
      const resolve = fixedNames({ 'one.example': [PUBLIC], 'two.example': [OTHER] });
      const fetch = createGuardedFetch({ resolve, connector: dialling(routes).connector });
      expect((await fetch('http://one.example/', { headers: secrets })).text()).toBe('landed');
      const { headers } = web.requests[1] ?? {};
      expect(headers).toMatchObject({ accept: 'text/html', 'user-agent': 'sallyport' });
      expect(Object.keys(headers ?? {})).not.toEqual(expect.arrayContaining(['authorization']));
      expect(headers).not.toHaveProperty('cookie');
      expect(headers).not.toHaveProperty('x-api-key');
      await fetch.close();
    },
  );

  it.each(['POST', 'PUT', 'PATCH', 'DELETE'] as const)('leaves the redirect of a %s to the caller', async (method) => {
    const { web, fetch } = await startPair(307, '/next');
    const response = await fetch('http://one.example/', { method });
    expect([response.status, response.headers.get('location')]).toEqual([307, '/next']);
    expect(web.requests).toHaveLength(1);
  });

  it('leaves the redirect of a GET to the caller who asks for that', async () => {
    const { fetch } = await startPair(302, 'http://127.0.0.1/');
    expect((await fetch('http://one.example/', { redirect: 'manual' })).status).toBe(302);
  });

  it.each([
    [301, 'POST', 'GET', false],
    [302, 'POST', 'GET', false],
    [303, 'POST', 'GET', false],
    [303, 'PUT', 'GET', false],
    [301, 'PUT', 'PUT', true],
    [307, 'POST', 'POST', true],
    [308, 'POST', 'POST', true],
  ] as const)('answers a %i to %s with %s, as RFC 9110 says', async (status, method, next, hasBody) => {
    const { web, fetch } = await startPair(status, '/next');
    const init = { method, body: '{}', headers: { 'content-type': 'application/json' }, redirect: 'follow' } as const;
    expect((await fetch('http://one.example/', init)).text()).toBe('landed');
    expect(web.requests[1]?.method).toBe(next);
    expect(web.requests[1]?.headers['content-type']).toBe(hasBody ? 'application/json' : undefined);
    expect(web.requests[1]?.headers['content-length']).toBe(hasBody ? '2' : undefined);
  });

  it('keeps HEAD what it is', async () => {
    const { web, fetch } = await startPair(303, '/next');
    await fetch('http://one.example/', { method: 'HEAD' });
    expect(web.requests.map(({ method }) => method)).toEqual(['HEAD', 'HEAD']);
  });

  it('takes no body to another origin', async () => {
    const { web, fetch } = await startPair(307, 'http://two.example/next');
    const sent = fetch('http://one.example/', { method: 'POST', body: 'secret', redirect: 'follow' });
    await expect(sent).rejects.toMatchObject({ code: 'ERR_OUTBOUND_BLOCKED', reason: 'redirect-carries-body' });
    expect(web.requests).toHaveLength(1);
  });

  it('stops a loop', async () => {
    const { web, fetch } = await startPair(302, '/');
    await expect(fetch('http://one.example/')).rejects.toMatchObject({ reason: 'redirect-too-many' });
    expect(web.requests).toHaveLength(6);
  });

  it('reads a 3xx that names no place, and a 300, as answers', async () => {
    const { fetch } = await startPair(300, 'http://127.0.0.1/');
    expect((await fetch('http://one.example/')).status).toBe(300);
    const bare = await startWeb((_request, response) => response.writeHead(302).end('nowhere'));
    const { fetch: direct, url } = clientFor(bare.port);
    expect((await direct(url)).text()).toBe('nowhere');
  });

  it.each([100, 1_000_000])(
    'follows past a redirect page of %i bytes without reading more than a little',
    async (size) => {
      const web = await startWeb((request, response) => {
        if (request.url === '/') response.writeHead(302, { location: '/next' }).end(Buffer.alloc(size));
        else response.end('landed');
      });
      const { fetch, url } = clientFor(web.port, { maxBytes: 1_000 });
      expect((await fetch(url)).text()).toBe('landed');
    },
  );

  it('understands a Location in raw UTF-8', async () => {
    const location = Buffer.from('/größe').toString('latin1');
    const { web, fetch } = await startPair(302, location);
    await fetch('http://one.example/');
    expect(web.requests[1]?.url).toBe('/gr%C3%B6%C3%9Fe');
  });
});
