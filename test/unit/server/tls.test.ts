import { existsSync } from 'node:fs';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { Agent, type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { Hono } from 'hono';
import { expect, onTestFinished, test } from 'vitest';
import type { App, AppContext } from '../../../src/server/http/context.ts';
import { isCertified } from '../../../src/server/http/forwarded.node.ts';
import { behind, withCertificate } from '../../../src/server/http/guarded.ts';
import { listen } from '../../../src/server/http/listen.node.ts';
import { problem } from '../../../src/server/http/respond.ts';
import { openTls, type TlsFiles } from '../../../src/server/http/tls.node.ts';
import { createConnections } from '../../../src/server/limits/connections.node.ts';
import { expectAnswerHeaders } from '../../support/answer-headers.ts';
import { type Authority, createAuthority, type Pair } from '../../support/authority.ts';
import { testFolder } from '../../support/folder.ts';
import { describeWith } from '../../support/needs.ts';
import { until } from '../../support/until.ts';

/** Often enough that a test does not wait. */
const LOOK_MS = 20;

interface Logged {
  readonly event: string;
  readonly fields: object;
}

function recording() {
  const logged: Logged[] = [];
  const note = (fields: object, event: string): void => void logged.push({ event, fields });
  return { logged, logger: { debug: note, info: note, warn: note, error: note } };
}

async function write(folder: string, { cert, key }: Pair, clientCa?: string): Promise<TlsFiles> {
  const at = (name: string): string => join(folder, name);
  await writeFile(at('tls.crt'), cert);
  await writeFile(at('tls.key'), key);
  if (clientCa !== undefined) await writeFile(at('ca.crt'), clientCa);
  const files = { cert: at('tls.crt'), key: at('tls.key') };
  return existsSync(at('ca.crt')) ? { ...files, clientCa: at('ca.crt') } : files;
}

/** A listener with an open route, `/health`, and one that needs a client certificate, `/events`. */
async function serve(files: TlsFiles) {
  const { logged, logger } = recording();
  const tls = await openTls(files, { logger, everyMs: LOOK_MS });
  const app: App = new Hono();
  app.onError((error) => problem(error, 'request-1'));
  app.get('/health', (c) => c.json({ status: 'ok' }));
  const certified = withCertificate((c: AppContext) => isCertified((c.env as { incoming: never }).incoming));
  behind([certified], [(routes) => void routes.get('/events', (c) => c.json({ events: [] }))])(app);
  const options = {
    host: '127.0.0.1',
    port: 0,
    bodyMs: 1_000,
    isTrusted: () => false,
    newRequestId: () => 'request-1',
  };
  const { port, close } = await listen(app, { ...options, tls });
  onTestFinished(async () => {
    tls.stop();
    await close(0);
  });
  return { port, tls, logged };
}

/** `session`: of an earlier connection, to go on with. */
type TlsRequest = RequestOptions & { readonly session?: Buffer };

/** What a client sees: status, body, headers, and the certificate it was shown. */
function ask(port: number, path: string, options: TlsRequest) {
  return new Promise<{ status: number; body: string; headers: Map<string, string>; shown: string }>(
    (resolve, reject) => {
      const sent = request({ agent: false, ...options, host: '127.0.0.1', port, path }, (answer) => {
        const shown = String((answer.socket as TLSSocket).getPeerCertificate().subject?.CN);
        let body = '';
        answer.setEncoding('utf8').on('data', (part: string) => {
          body += part;
        });
        answer.on('end', () => {
          const headers = new Map(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]));
          resolve({ status: answer.statusCode ?? 0, body, headers, shown });
        });
      });
      sent.on('error', reject).end();
    },
  );
}

describeWith('openssl')('a listener with a certificate', () => {
  test('speaks HTTPS that a strict client trusts, tells browsers to stay with it, and speaks nothing else', async () => {
    const authority = createAuthority();
    const { port } = await serve(await write(await testFolder(), authority.issue('gate.test')));
    const answer = await ask(port, '/health', { ca: authority.cert });
    expect([answer.status, answer.shown]).toEqual([200, 'gate.test']);
    expectAnswerHeaders(answer.headers, true);
    await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow();
  });

  test.each([
    ['TLSv1.3', 'TLSv1.3'],
    ['TLSv1.2', 'TLSv1.2'],
    ['TLSv1.1', null],
  ] as const)('a client that knows nothing newer than %s gets %s', async (maxVersion, expected) => {
    const authority = createAuthority();
    const { port } = await serve(await write(await testFolder(), authority.issue('gate.test')));
    const options: ConnectionOptions = { ca: authority.cert, maxVersion, minVersion: 'TLSv1' };
    // OpenSSL itself refuses TLS 1.1 at its usual level of security.
    const socket = connect({ host: '127.0.0.1', port, ciphers: 'DEFAULT@SECLEVEL=0', ...options });
    const protocol = await new Promise<string | null>((resolve) => {
      socket.on('secureConnect', () => resolve(socket.getProtocol())).on('error', () => resolve(null));
    });
    socket.destroy();
    expect(protocol).toBe(expected);
  });

  test('a renewed certificate is shown to the next connection, and a pair that does not fit changes nothing', async () => {
    const authority = createAuthority();
    const folder = await testFolder();
    const { port, tls, logged } = await serve(await write(folder, authority.issue('first.test')));
    const shown = async () =>
      (await ask(port, '/health', { ca: authority.cert, checkServerIdentity: () => undefined })).shown;
    expect(await shown()).toBe('first.test');

    const second = authority.issue('second.test');
    await writeFile(join(folder, 'next.crt'), second.cert);
    await rename(join(folder, 'next.crt'), join(folder, 'tls.crt'));
    await until('the pair is found wrong', async () => logged.some(({ event }) => event === 'tls.reload-failed'));
    expect(await shown()).toBe('first.test');
    await expect(tls.probe()).rejects.toMatchObject({ code: 'ERR_CERTIFICATE_INVALID' });

    // At once: a file that is seen half written at two looks would be told of as well.
    await writeFile(join(folder, 'next.key'), second.key);
    await rename(join(folder, 'next.key'), join(folder, 'tls.key'));
    await until('the new certificate is shown', async () => (await shown()) === 'second.test');
    await tls.probe();
    expect(logged.filter(({ event }) => event === 'tls.reloaded')).toHaveLength(1);
    // However often it was looked at.
    expect(logged.filter(({ event }) => event === 'tls.reload-failed')).toEqual([
      {
        event: 'tls.reload-failed',
        fields: { problem: 'SALLYPORT_TLS_KEY: does not belong to the certificate of SALLYPORT_TLS_CERT' },
      },
    ]);
  });

  test('a certificate that Kubernetes swaps behind a symbolic link is found', async () => {
    const authority = createAuthority();
    const volume = await testFolder();
    const put = async (generation: string, pair: Pair): Promise<void> => {
      await mkdir(join(volume, generation));
      await write(join(volume, generation), pair);
      await symlink(generation, join(volume, '..data_tmp'));
      await rename(join(volume, '..data_tmp'), join(volume, '..data'));
    };
    await put('..1', authority.issue('first.test'));
    for (const name of ['tls.crt', 'tls.key']) await symlink(join('..data', name), join(volume, name));
    const { port } = await serve({ cert: join(volume, 'tls.crt'), key: join(volume, 'tls.key') });
    const shown = async () =>
      (await ask(port, '/health', { ca: authority.cert, checkServerIdentity: () => undefined })).shown;
    expect(await shown()).toBe('first.test');
    await put('..2', authority.issue('second.test'));
    await rm(join(volume, '..1'), { recursive: true });
    await until('the new certificate is shown', async () => (await shown()) === 'second.test');
  });

  test('a certificate that has expired serves, and is told of at start and in readiness', async () => {
    const authority = createAuthority();
    const { port, tls, logged } = await serve(await write(await testFolder(), authority.issue('gate.test', -1)));
    await expect(ask(port, '/health', { ca: authority.cert })).rejects.toMatchObject({ code: 'CERT_HAS_EXPIRED' });
    await expect(tls.probe()).rejects.toMatchObject({ code: 'ERR_CERTIFICATE_EXPIRED' });
    expect(logged.map(({ event }) => event)).toEqual(['tls.certificate-expired']);
  });
});

describeWith('openssl')('bounds of connections', () => {
  test('hold over TLS: a request on its way is not taken for an idle connection', async () => {
    const authority = createAuthority();
    const { logger } = recording();
    const tls = await openTls(await write(await testFolder(), authority.issue('gate.test')), { logger });
    let release: (() => void) | undefined;
    const app: App = new Hono();
    app.get(
      '/slow',
      (c) =>
        new Promise<Response>((resolve) => {
          release = () => resolve(c.json({}));
        }),
    );
    app.get('/fast', (c) => c.json({}));
    const connections = createConnections({
      most: 1,
      mostOfSource: 1,
      isExempt: () => false,
      onForwarded: () => {},
      logger,
    });
    const options = {
      host: '127.0.0.1',
      port: 0,
      bodyMs: 1_000,
      isTrusted: () => false,
      newRequestId: () => 'request-1',
    };
    const { port, close } = await listen(app, { ...options, tls, connections });
    onTestFinished(async () => {
      tls.stop();
      await close(0);
    });
    const slow = ask(port, '/slow', { ca: authority.cert });
    await until('the slow request is served', () => release !== undefined);
    await expect(ask(port, '/fast', { ca: authority.cert })).rejects.toThrow();
    release?.();
    expect((await slow).status).toBe(200);
  });
});

describeWith('openssl')('client certificates', () => {
  const client = (authority: Authority, pair?: Pair): TlsRequest => ({ ca: authority.cert, ...pair });

  test('are required by the routes that say so, and by no other', async () => {
    const [server, clients, others] = [createAuthority(), createAuthority('clients'), createAuthority('others')];
    const { port } = await serve(await write(await testFolder(), server.issue('gate.test'), clients.cert));
    const statuses = async (path: string) => {
      const pairs = [undefined, others.issue('mallory'), clients.issue('ada', -1), clients.issue('ada')];
      return Promise.all(pairs.map(async (pair) => (await ask(port, path, client(server, pair))).status));
    };
    expect(await statuses('/health')).toEqual([200, 200, 200, 200]);
    expect(await statuses('/events')).toEqual([403, 403, 403, 200]);
    const refused = await ask(port, '/events', client(server));
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'ERR_CERTIFICATE_REQUIRED', status: 403 });
  });

  /** Asks on a connection of its own and keeps its session, to go on with it later. */
  async function sessionOf(port: number, options: TlsRequest) {
    const agent = new Agent({ maxCachedSessions: 0 });
    onTestFinished(() => agent.destroy());
    const session = new Promise<Buffer>((resolve) => {
      agent.on('keylog', (_, socket: TLSSocket) => socket.once('session', resolve));
    });
    const { status } = await ask(port, '/events', { ...options, agent });
    return { status, session: await session };
  }

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a session that went on without one is not taken for one with it: %s',
    async (maxVersion) => {
      const [server, clients] = [createAuthority(), createAuthority('clients')];
      const { port } = await serve(await write(await testFolder(), server.issue('gate.test'), clients.cert));
      const without = await sessionOf(port, { ...client(server), maxVersion });
      expect(without.status).toBe(403);
      const resumed = { ...client(server), maxVersion, session: without.session };
      expect((await ask(port, '/events', resumed)).status).toBe(403);
      const certified = await sessionOf(port, { ...client(server, clients.issue('ada')), maxVersion });
      expect(certified.status).toBe(200);
      expect((await ask(port, '/events', { ...resumed, session: certified.session })).status).toBe(200);
    },
  );

  test('an authority that is removed lets nobody in any more, on open connections and with old sessions neither', async () => {
    const [server, before, after] = [createAuthority(), createAuthority('before'), createAuthority('after')];
    const folder = await testFolder();
    const { port, logged } = await serve(await write(folder, server.issue('gate.test'), before.cert));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const kept = { ...client(server, before.issue('ada')), agent };
    expect((await ask(port, '/events', kept)).status).toBe(200);
    const old = await sessionOf(port, client(server, before.issue('eve')));
    expect(old.status).toBe(200);
    await writeFile(join(folder, 'ca.crt'), after.cert);
    await until('the authority is taken up', async () => logged.some(({ event }) => event === 'tls.reloaded'));
    // The connection was ended when it was idle, which its client may see only now.
    const again = await ask(port, '/events', kept).then(
      ({ status }) => status,
      () => 'ended',
    );
    expect([403, 'ended']).toContain(again);
    expect((await ask(port, '/events', { ...client(server), session: old.session })).status).toBe(403);
    expect((await ask(port, '/events', client(server, after.issue('bob')))).status).toBe(200);
  });
});

describeWith('openssl')('files that cannot be used', () => {
  const problemsOf = async (files: TlsFiles): Promise<string[]> => {
    const failure = await openTls(files, { logger: recording().logger }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    return (failure as Error).message.split('\n').map((line) => line.trim());
  };

  test('are named by their settings, all at once, and nothing of them is repeated', async () => {
    const authority = createAuthority();
    const folder = await testFolder();
    const good = await write(folder, authority.issue('gate.test'), authority.cert);
    const bad = join(folder, 'bad.pem');
    await writeFile(bad, 'c4n4ry');
    const missing = join(folder, 'missing.pem');
    expect(await problemsOf({ cert: missing, key: bad, clientCa: bad })).toEqual([
      'SALLYPORT_TLS_CERT: the file cannot be read (ENOENT)',
      'SALLYPORT_TLS_KEY: is not a private key in PEM without a passphrase',
      'SALLYPORT_TLS_CLIENT_CA: is not a certificate in PEM',
    ]);
    await writeFile(bad, authority.key);
    expect(await problemsOf({ ...good, key: bad })).toEqual([
      'SALLYPORT_TLS_KEY: does not belong to the certificate of SALLYPORT_TLS_CERT',
    ]);
    expect(await problemsOf({ ...good, cert: folder })).toEqual([
      'SALLYPORT_TLS_CERT: the file cannot be read (EISDIR)',
    ]);
  });
});
