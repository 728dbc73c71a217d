import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { asFetch } from '../../../src/net/clients.ts';
import { createGuardedFetch } from '../../../src/net/guarded-fetch.ts';
import { dialling, fixedNames, redirecting, startWeb } from './support/web.ts';

const PUBLIC = '93.184.216.34';

const start = async (handler: Parameters<typeof startWeb>[0]) => {
  const web = await startWeb(handler);
  const { connector, dialled } = dialling({ [`${PUBLIC}:80`]: web.port });
  const guarded = createGuardedFetch({ resolve: fixedNames({ 'open.example': [PUBLIC] }), connector });
  onTestFinished(() => guarded.close());
  return { web, dialled, fetch: asFetch(guarded) };
};

const echo: Parameters<typeof startWeb>[0] = (request, response) => {
  response.setHeader('content-type', request.headers['content-type'] ?? 'none');
  request.pipe(response);
};

describe('asFetch', () => {
  it('answers like fetch for strings, URLs and Requests', async () => {
    const { fetch } = await start((request, response) => response.writeHead(201).end(request.url));
    for (const input of [
      'http://open.example/a',
      new URL('http://open.example/a'),
      new Request('http://open.example/a'),
    ]) {
      const response = await fetch(input);
      expect([response.status, response.ok, await response.text()]).toEqual([201, true, '/a']);
    }
  });

  it.each<[string, NonNullable<RequestInit['body']>, string]>([
    ['a string', 'hé', 'text/plain;charset=UTF-8'],
    ['bytes', new Uint8Array([104, 195, 169]), 'none'],
    ['a form', new URLSearchParams({ a: 'é' }), 'application/x-www-form-urlencoded;charset=UTF-8'],
  ])('sends %s as fetch would', async (_kind, body, type) => {
    const { fetch } = await start(echo);
    const response = await fetch('http://open.example/', { method: 'POST', body });
    expect(response.headers.get('content-type')).toBe(type);
    expect(await response.text()).toBe(await new Response(body).text());
  });

  it('hides the coding it has undone', async () => {
    const { fetch } = await start((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('plain')),
    );
    const response = await fetch('http://open.example/');
    expect(response.headers.get('content-encoding')).toBeNull();
    expect(await response.text()).toBe('plain');
  });

  it.each([204, 304])('has no body for status %i', async (status) => {
    const { fetch } = await start((_request, response) => response.writeHead(status).end());
    expect((await fetch('http://open.example/')).status).toBe(status);
  });

  it('passes what the guard refuses on, with the URL as it was written', async () => {
    const { fetch, dialled } = await start(echo);
    const refused = { code: 'ERR_OUTBOUND_BLOCKED' };
    await expect(fetch('http://127.1/')).rejects.toMatchObject({ ...refused, reason: 'host-not-canonical' });
    await expect(fetch('http://u:p@open.example/')).rejects.toMatchObject({ ...refused, reason: 'credentials-in-url' });
    await expect(fetch('/relative')).rejects.toMatchObject({ ...refused, reason: 'url-malformed' });
    await expect(fetch(new URL('http://10.0.0.1/'))).rejects.toMatchObject({ ...refused, reason: 'address-private' });
    await expect(fetch('http://open.example/', { method: 'OPTIONS' })).rejects.toMatchObject(refused);
    expect(dialled).toEqual([]);
  });

  it('follows, hands out or refuses redirects as asked', async () => {
    const { fetch } = await start((request, response) =>
      request.url === '/' ? redirecting(302, '/end')(request, response) : response.end('end'),
    );
    expect(await (await fetch('http://open.example/')).text()).toBe('end');
    expect((await fetch('http://open.example/', { redirect: 'manual' })).status).toBe(302);
    expect((await fetch('http://open.example/', { method: 'POST', body: 'x' })).status).toBe(302);
    await expect(fetch('http://open.example/', { redirect: 'error' })).rejects.toMatchObject({
      code: 'ERR_OUTBOUND_BLOCKED',
    });
  });

  it('aborts with the caller’s reason', async () => {
    const { fetch } = await start(() => undefined);
    const reason = new Error('enough');
    await expect(fetch('http://open.example/', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
