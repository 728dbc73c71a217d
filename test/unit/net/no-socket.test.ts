import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { OutboundError } from '../../../src/net/guard/reasons.ts';
import { createDnsResolve } from '../../../src/net/guard/resolve.ts';
import { createGuardedFetch } from '../../../src/net/guarded-fetch.ts';
import { startNameServer } from './support/name-server.ts';
import { dialling, fixedNames, redirecting, startCounting, startWeb } from './support/web.ts';

const PUBLIC = '93.184.216.34';

const refusalOf = async (request: Promise<unknown>): Promise<string> => {
  const error = await request.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OutboundError)) throw new Error('expected an OutboundError', { cause: error });
  return `${error.code} ${error.reason}`;
};

describe('a blocked URL', () => {
  it('opens no socket, however the private address is written', async () => {
    const trap = await startCounting(createServer());
    const { connector, dialled } = dialling({});
    const resolve = fixedNames({ 'mixed.example': [PUBLIC, '127.0.0.1'], 'mapped.example': ['::ffff:127.0.0.1'] });
    const urls = [
      `http://127.0.0.1:${trap.port}/`,
      `http://127.1:${trap.port}/`,
      `http://2130706433:${trap.port}/`,
      `http://0x7f.0.0.1:${trap.port}/`,
      `http://0177.0.0.1:${trap.port}/`,
      `http://0:${trap.port}/`,
      `http://[::1]:${trap.port}/`,
      `http://[::ffff:127.0.0.1]:${trap.port}/`,
      `http://localhost:${trap.port}/`,
      `http://１２７.0.0.1:${trap.port}/`,
      `http://user@127.0.0.1:${trap.port}/`,
      `http://mixed.example:${trap.port}/`,
      'http://mixed.example/',
      'http://mapped.example/',
      'http://nowhere.example/',
    ];
    const real = createGuardedFetch({ resolve });
    const counted = createGuardedFetch({ resolve, connector });
    for (const url of urls) {
      for (const fetch of [real, counted]) {
        const refusal = await refusalOf(fetch(url));
        expect(refusal).toMatch(/^ERR_OUTBOUND_BLOCKED /);
      }
    }
    expect(trap.connections()).toBe(0);
    expect(dialled).toEqual([]);
  });

  it('is not even looked up when its text tells enough', async () => {
    const resolve = fixedNames({});
    const fetch = createGuardedFetch({ resolve });
    for (const url of ['http://db.internal/', 'http://redis/', 'http://example.com:22/', 'gopher://example.com/']) {
      await refusalOf(fetch(url));
    }
    expect(resolve.asked).toEqual([]);
  });

  it('tells its code and reason, and nothing of the URL', async () => {
    const fetch = createGuardedFetch({ resolve: fixedNames({ 'secret-host.example': ['10.1.2.3'] }) });
    const error: unknown = await fetch('http://secret-host.example/secret-path?secret-token').catch((e) => e);
    expect(error).toMatchObject({ code: 'ERR_OUTBOUND_BLOCKED', reason: 'address-private' });
    expect(String(error) + JSON.stringify(error) + String((error as Error).cause)).not.toMatch(/secret|10\.1\.2\.3/);
  });
});

describe('a name whose answers change', () => {
  it('is asked once per request, and the socket goes where that answer said', async () => {
    const web = await startWeb((_request, response) => response.end('public'));
    const trap = await startCounting(createServer());
    const { server, asked } = await startNameServer((name, type, turn) =>
      name === 'rebind.example' && type === 'A' ? [turn === 0 ? PUBLIC : '127.0.0.1'] : [],
    );
    const { connector, dialled } = dialling({ [`${PUBLIC}:80`]: web.port, '127.0.0.1:80': trap.port });
    const fetch = createGuardedFetch({ resolve: createDnsResolve({ servers: [server] }), connector });

    expect((await fetch('http://rebind.example/')).text()).toBe('public');
    expect(asked.sort()).toEqual(['A rebind.example', 'AAAA rebind.example']);
    expect(dialled).toEqual([`${PUBLIC}:80`]);

    expect(await refusalOf(fetch('http://rebind.example/'))).toBe('ERR_OUTBOUND_BLOCKED address-loopback');
    expect(dialled).toEqual([`${PUBLIC}:80`]);
    expect(web.connections()).toBe(1);
    expect(trap.connections()).toBe(0);
    await fetch.close();
  });

  it('is refused when it changes between two hops of one request', async () => {
    const web = await startWeb(redirecting(302, '/again'));
    const { server } = await startNameServer((_name, type, turn) =>
      type === 'A' ? [turn === 0 ? PUBLIC : '169.254.169.254'] : [],
    );
    const { connector, dialled } = dialling({ [`${PUBLIC}:80`]: web.port });
    const fetch = createGuardedFetch({ resolve: createDnsResolve({ servers: [server] }), connector });
    expect(await refusalOf(fetch('http://rebind.example/'))).toBe('ERR_OUTBOUND_BLOCKED redirect-address-metadata');
    expect(dialled).toEqual([`${PUBLIC}:80`]);
    await fetch.close();
  });

  it('is refused when one family is private, whatever the other says', async () => {
    const { server } = await startNameServer((_name, type) => (type === 'A' ? [PUBLIC] : ['fd00::1']));
    const { connector, dialled } = dialling({});
    const fetch = createGuardedFetch({ resolve: createDnsResolve({ servers: [server] }), connector });
    expect(await refusalOf(fetch('http://both.example/'))).toBe('ERR_OUTBOUND_BLOCKED address-private');
    expect(dialled).toEqual([]);
  });
});

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])('of status %i to a private address opens no second socket', async (status) => {
    const trap = await startCounting(createServer());
    const web = await startWeb(redirecting(status, `http://127.0.0.1:${trap.port}/latest/meta-data/`));
    const { connector, dialled } = dialling({ [`${PUBLIC}:80`]: web.port });
    const fetch = createGuardedFetch({ resolve: fixedNames({ 'open.example': [PUBLIC] }), connector });
    expect(await refusalOf(fetch('http://open.example/'))).toBe('ERR_OUTBOUND_BLOCKED redirect-address-loopback');
    expect(dialled).toEqual([`${PUBLIC}:80`]);
    expect(trap.connections()).toBe(0);
    await fetch.close();
  });

  it.each([
    ['//127.0.0.1/', 'redirect-address-loopback'],
    ['/\\127.0.0.1/', 'redirect-url-malformed'],
    ['http://localhost/', 'redirect-name-local'],
    ['http://private.example/', 'redirect-address-private'],
    ['http://[::ffff:a9fe:a9fe]/', 'redirect-address-transition'],
    ['file:///etc/passwd', 'redirect-scheme-not-allowed'],
    ['http://open.example:6379/', 'redirect-port-not-allowed'],
    ['http://user@open.example/', 'redirect-credentials-in-url'],
    ['http://gone.example/', 'redirect-dns-empty'],
  ])('to %s is refused as %s', async (location, reason) => {
    const web = await startWeb(redirecting(302, location));
    const { connector, dialled } = dialling({ [`${PUBLIC}:80`]: web.port });
    const resolve = fixedNames({ 'open.example': [PUBLIC], 'private.example': ['192.168.0.1'] });
    const fetch = createGuardedFetch({ resolve, connector });
    expect(await refusalOf(fetch('http://open.example/'))).toBe(`ERR_OUTBOUND_BLOCKED ${reason}`);
    expect(dialled).toHaveLength(1);
    await fetch.close();
  });

  it('reaches the private end of a chain as little as its beginning', async () => {
    const web = await startWeb((request, response) => {
      const next = Number(request.url?.slice(1)) + 1;
      response.writeHead(302, { location: next < 4 ? `/${next}` : 'http://10.0.0.1/' }).end();
    });
    const { connector, dialled } = dialling({ [`${PUBLIC}:80`]: web.port });
    const fetch = createGuardedFetch({ resolve: fixedNames({ 'open.example': [PUBLIC] }), connector });
    expect(await refusalOf(fetch('http://open.example/1'))).toBe('ERR_OUTBOUND_BLOCKED redirect-address-private');
    expect(web.requests.map(({ url }) => url)).toEqual(['/1', '/2', '/3']);
    expect(dialled.every((to) => to === `${PUBLIC}:80`)).toBe(true);
    await fetch.close();
  });
});

describe('the allow-list', () => {
  it('opens exactly its host and port', async () => {
    const web = await startWeb((_request, response) => response.end('home'));
    const other = await startWeb((_request, response) => response.end('other'));
    const resolve = fixedNames({ 'llm.internal': ['127.0.0.1'], localhost: ['127.0.0.1'] });
    const byName = createGuardedFetch({ resolve, allow: [{ host: 'llm.internal', port: web.port }] });
    const byAddress = createGuardedFetch({ resolve, allow: [{ host: '127.0.0.1', port: web.port }] });

    expect((await byName(`http://llm.internal:${web.port}/`)).text()).toBe('home');
    expect((await byAddress(`http://127.0.0.1:${web.port}/`)).text()).toBe('home');
    const used = web.connections();

    for (const fetch of [byName, byAddress]) {
      expect(await refusalOf(fetch(`http://localhost:${web.port}/`))).toBe('ERR_OUTBOUND_BLOCKED name-local');
      expect(await refusalOf(fetch(`http://127.1:${web.port}/`))).toBe('ERR_OUTBOUND_BLOCKED host-not-canonical');
      expect(await refusalOf(fetch(`http://llm.internal:${other.port}/`))).toBe('ERR_OUTBOUND_BLOCKED name-local');
      expect(await refusalOf(fetch(`http://127.0.0.1:${other.port}/`))).toBe('ERR_OUTBOUND_BLOCKED address-loopback');
    }
    expect(await refusalOf(byName(`http://127.0.0.1:${web.port}/`))).toBe('ERR_OUTBOUND_BLOCKED address-loopback');
    expect(web.connections()).toBe(used);
    expect(other.connections()).toBe(0);
    await Promise.all([byName.close(), byAddress.close()]);
  });

  it('is of no use to a redirect from a stranger', async () => {
    const home = await startWeb((_request, response) => response.end('home'));
    const open = await startWeb(redirecting(302, `http://127.0.0.1:${home.port}/`));
    const { connector } = dialling({ [`${PUBLIC}:80`]: open.port, [`127.0.0.1:${home.port}`]: home.port });
    const resolve = fixedNames({ 'open.example': [PUBLIC] });
    const fetch = createGuardedFetch({ resolve, connector, allow: [{ host: '127.0.0.1', port: home.port }] });
    expect(await refusalOf(fetch('http://open.example/'))).toBe('ERR_OUTBOUND_BLOCKED redirect-address-loopback');
    expect(home.connections()).toBe(0);
    await fetch.close();
  });

  it('lets a configured host redirect to itself and not to its neighbours', async () => {
    const neighbour = await startCounting(createServer());
    const home = await startWeb((request, response) => {
      const location = request.url === '/in' ? '/ok' : `http://127.0.0.1:${neighbour.port}/`;
      if (request.url === '/ok') response.end('home');
      else response.writeHead(302, { location }).end();
    });
    const allow = [{ host: '127.0.0.1', port: home.port }];
    const fetch = createGuardedFetch({ resolve: fixedNames({}), allow });
    expect((await fetch(`http://127.0.0.1:${home.port}/in`)).text()).toBe('home');
    expect(await refusalOf(fetch(`http://127.0.0.1:${home.port}/out`))).toBe(
      'ERR_OUTBOUND_BLOCKED redirect-address-loopback',
    );
    expect(neighbour.connections()).toBe(0);
    await fetch.close();
  });

  it('does not let the DNS of a configured name lead to a metadata service', async () => {
    const { connector, dialled } = dialling({});
    for (const address of ['169.254.169.254', '100.100.100.200', 'fd00:ec2::254', '0.0.0.0', 'fe80::1']) {
      const resolve = fixedNames({ 'vendor.example': [address] });
      const fetch = createGuardedFetch({ resolve, connector, allow: [{ host: 'vendor.example', port: 443 }] });
      expect(await refusalOf(fetch('https://vendor.example/'))).toMatch(/^ERR_OUTBOUND_BLOCKED address-/);
    }
    expect(dialled).toEqual([]);
  });
});
