import { describe, expect, it } from 'vitest';
import { createDnsResolve } from '../../../src/net/guard/resolve.ts';
import { startNameServer } from './support/name-server.ts';

const stranger = { signal: new AbortController().signal, isConfigured: false };

describe('createDnsResolve', () => {
  it('gives every address of both families', async () => {
    const { server } = await startNameServer((_name, type) =>
      type === 'A' ? ['93.184.216.34', '1.1.1.1'] : ['2606:4700:4700::1111'],
    );
    const addresses = await createDnsResolve({ servers: [server] })('all.example', stranger);
    expect([...addresses].sort()).toEqual(['1.1.1.1', '2606:4700:4700::1111', '93.184.216.34']);
  });

  it('gives nothing for a name without addresses', async () => {
    const { server } = await startNameServer(() => []);
    expect(await createDnsResolve({ servers: [server] })('none.example', stranger)).toEqual([]);
  });

  it('is content with one family when the server never answers for the other', async () => {
    const { server } = await startNameServer((_name, type) => (type === 'A' ? ['1.1.1.1'] : null));
    const resolve = createDnsResolve({ servers: [server], timeoutMs: 50 });
    expect(await resolve('half.example', stranger)).toEqual(['1.1.1.1']);
  });

  it('fails when nobody answers, which is not the same as no address', async () => {
    const { server } = await startNameServer(() => null);
    const lookup = createDnsResolve({ servers: [server], timeoutMs: 50 })('silent.example', stranger);
    await expect(lookup).rejects.toMatchObject({ code: 'ERR_OUTBOUND_FAILED', reason: 'dns-failed' });
  });

  it('stops asking when its signal aborts', async () => {
    const { server } = await startNameServer(() => null);
    const controller = new AbortController();
    const lookup = createDnsResolve({ servers: [server], timeoutMs: 60_000 })('silent.example', {
      signal: controller.signal,
      isConfigured: false,
    });
    controller.abort();
    await expect(lookup).rejects.toMatchObject({ reason: 'dns-failed' });
    // Uncancelled, the library itself gives up after 16 s.
  }, 8_000);

  it('asks for a stranger’s name as it is: no hosts file, no search list', async () => {
    const { server, asked } = await startNameServer(() => []);
    const resolve = createDnsResolve({ servers: [server] });
    expect(await resolve('localhost', stranger)).toEqual([]);
    expect(await resolve('single', stranger)).toEqual([]);
    expect([...new Set(asked)].sort()).toEqual(['A localhost', 'A single', 'AAAA localhost', 'AAAA single']);
  });

  it('reads a configured name as the system does', async () => {
    const { server, asked } = await startNameServer(() => []);
    const resolve = createDnsResolve({ servers: [server] });
    expect(await resolve('localhost', { ...stranger, isConfigured: true })).toContain('127.0.0.1');
    expect(asked).toEqual([]);
  });
});
