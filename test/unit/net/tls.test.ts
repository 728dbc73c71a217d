import type { TLSSocket } from 'node:tls';
import { beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { createGuardedFetch } from '../../../src/net/guarded-fetch.ts';
import { describeWith } from '../../support/needs.ts';
import { selfSigned } from './support/certificate.ts';
import { fixedNames, startWeb, type Web } from './support/web.ts';

let identity: ReturnType<typeof selfSigned>;
const resolve = fixedNames({ 'vendor.example': ['127.0.0.1'], 'other.example': ['127.0.0.1'] });

/** The default connector, with real sockets and real TLS, to a server whose hosts are on the allow-list. */
const clientFor = ({ port }: Web, ca?: readonly string[]) => {
  const allow = ['vendor.example', 'other.example', '127.0.0.1'].map((host) => ({ host, port }));
  const fetch = createGuardedFetch({ resolve, allow, ...(ca === undefined ? {} : { ca }) });
  onTestFinished(() => fetch.close());
  return (host: string) => fetch(`https://${host}:${port}/`);
};

const start = () =>
  startWeb((request, response) => response.end(String((request.socket as TLSSocket).servername)), identity);

const untrusted = { code: 'ERR_OUTBOUND_FAILED', reason: 'tls-failed' };

describeWith('openssl')('TLS', () => {
  beforeAll(() => {
    identity = selfSigned(['vendor.example', '127.0.0.1']);
  });

  it('names the host of the URL to the server and checks its certificate for that name', async () => {
    const web = await start();
    const response = await clientFor(web, [identity.cert])('vendor.example');
    expect(response.text()).toBe('vendor.example');
    expect(web.requests[0]?.headers.host).toBe(`vendor.example:${web.port}`);
  });

  it('checks the certificate of an address for that address', async () => {
    const web = await start();
    expect((await clientFor(web, [identity.cert])('127.0.0.1')).status).toBe(200);
  });

  it('refuses a certificate of another name', async () => {
    const web = await start();
    await expect(clientFor(web, [identity.cert])('other.example')).rejects.toMatchObject(untrusted);
    expect(web.requests).toEqual([]);
  });

  it('refuses a certificate nobody vouches for, even when the environment says otherwise', async () => {
    const web = await start();
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(clientFor(web)('vendor.example')).rejects.toMatchObject(untrusted);
    expect(web.requests).toEqual([]);
  });

  it('fails on a server that speaks no TLS', async () => {
    const plain = await startWeb((_request, response) => response.end());
    await expect(clientFor(plain)('vendor.example')).rejects.toMatchObject(untrusted);
  });
});
