import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { createAuthority } from '../../support/authority.ts';
import { ensureBuilt } from '../../support/built.ts';
import { freshKeys } from '../../support/campaign.ts';
import { sallyportProcess } from '../../support/command.ts';
import { testFolder } from '../../support/folder.ts';
import { describeWith } from '../../support/needs.ts';
import { startRole } from '../../support/role.ts';

beforeAll(ensureBuilt);

const { SLACK_BOT_TOKEN: _, ...keys } = freshKeys();

const doctor = async (environment: Readonly<Record<string, string>>, folder?: string) => {
  const { code, out } = await sallyportProcess(['doctor'], {
    folder: folder ?? (await testFolder()),
    environment: { ...keys, ...environment },
  });
  return { code, lines: out.split('\n') };
};

test('Redis on another host over plain text and without a password is warned of, and on this host it is not', async () => {
  // TEST-NET-1 (RFC 5737): nothing answers there.
  const warned = async (url: string): Promise<string[]> =>
    (await doctor({ SALLYPORT_REDIS_URL: url })).lines.filter((line) => line.startsWith('WARN'));
  const unencrypted = 'WARN  SALLYPORT_REDIS_URL: events and the password cross the network unencrypted; use rediss://';
  const open = 'WARN  SALLYPORT_REDIS_URL: Redis on another host has no password';
  expect(await warned('redis://192.0.2.1:6379')).toEqual([unencrypted, open]);
  expect(await warned('redis://:s3cret@192.0.2.1:6379')).toEqual([unencrypted]);
  expect(await warned('rediss://192.0.2.1:6379')).toEqual([open]);
  expect(await warned('rediss://:s3cret@192.0.2.1:6379,')).toEqual([]);
  expect(await warned('redis://127.0.0.1:1')).toEqual([]);
});

test('a switch of the environment that would have certificates accepted unseen has no effect, and is named', async () => {
  const { lines } = await doctor({ NODE_TLS_REJECT_UNAUTHORIZED: '0' });
  expect(lines).toContain('WARN  NODE_TLS_REJECT_UNAUTHORIZED: has no effect with the other settings');
});

test.each([
  [{ SALLYPORT_TLS_CERT: 'a.pem' }, 'SALLYPORT_TLS_KEY: is required with SALLYPORT_TLS_CERT'],
  [{ SALLYPORT_TLS_KEY: 'a.pem' }, 'SALLYPORT_TLS_CERT: is required with SALLYPORT_TLS_KEY'],
  [{ SALLYPORT_TLS_CLIENT_CA: 'a.pem' }, 'SALLYPORT_TLS_CERT: is required with SALLYPORT_TLS_CLIENT_CA'],
  [
    { SALLYPORT_TLS_CERT: 'a.pem', SALLYPORT_TLS_KEY: 'b.pem' },
    'SALLYPORT_TLS_CERT: the file cannot be read (ENOENT)\n  SALLYPORT_TLS_KEY: the file cannot be read (ENOENT)',
  ],
])('a listener whose certificate is incomplete does not start: %j', async (environment, problem) => {
  const { code, err } = await sallyportProcess(['ingress'], {
    folder: await testFolder(),
    environment: { ...keys, PORT: '0', HOST: '127.0.0.1', ...environment },
  });
  expect(code).toBe(78);
  expect(err).toContain(problem);
});

describeWith('openssl')('with a certificate', () => {
  test('a role serves HTTPS, lets senders in without a certificate of theirs, and the API only with one', async () => {
    const folder = await testFolder();
    const [server, clients] = [createAuthority(), createAuthority('clients')];
    const { cert, key } = server.issue('gate.test');
    await writeFile(join(folder, 'tls.crt'), cert);
    await writeFile(join(folder, 'tls.key'), key);
    await writeFile(join(folder, 'clients.pem'), clients.cert);
    const files = {
      SALLYPORT_TLS_CERT: 'tls.crt',
      SALLYPORT_TLS_KEY: 'tls.key',
      SALLYPORT_TLS_CLIENT_CA: 'clients.pem',
    };
    const { lines } = await doctor(files, folder);
    expect(lines.filter((line) => line.includes('TLS'))).toEqual([
      expect.stringMatching(
        /^ok {4}TLS: the certificate is valid until \d{4}-\d\d-\d\d; the API requires client certificates$/,
      ),
    ]);
    const gate = await startRole({ role: 'all', folder, environment: { ...keys, ...files }, ca: server.cert });
    onTestFinished(() => gate.kill());
    const status = (path: string, method: string, pair = {}) =>
      new Promise<number | undefined>((resolve, reject) => {
        const options = { host: '127.0.0.1', port: gate.port, path, method, ca: server.cert, agent: false, ...pair };
        request(options, (answer) => resolve(answer.resume().statusCode))
          .on('error', reject)
          .end();
      });
    const certified = clients.issue('ada');
    expect(await status('/hooks/slack', 'POST')).toBe(401);
    expect(await status('/callbacks/x', 'POST')).toBe(404);
    expect(await status('/ready', 'GET')).toBe(200);
    expect(await status('/events', 'GET')).toBe(403);
    expect(await status('/chat', 'POST')).toBe(403);
    expect(await status('/events', 'GET', certified)).toBe(401);
  });

  test('the port of a worker speaks HTTPS alone as well, and asks for no certificate of its monitors', async () => {
    const folder = await testFolder();
    const [server, clients] = [createAuthority(), createAuthority('clients')];
    const { cert, key } = server.issue('gate.test');
    await writeFile(join(folder, 'tls.crt'), cert);
    await writeFile(join(folder, 'tls.key'), key);
    await writeFile(join(folder, 'clients.pem'), clients.cert);
    const worker = await startRole({
      role: 'worker',
      folder,
      ca: server.cert,
      environment: {
        ...keys,
        SALLYPORT_TLS_CERT: 'tls.crt',
        SALLYPORT_TLS_KEY: 'tls.key',
        SALLYPORT_TLS_CLIENT_CA: 'clients.pem',
        SALLYPORT_METRICS_TOKEN: 'a-token-for-the-metrics',
      },
    });
    onTestFinished(() => worker.kill());
    const answer = (path: string, headers = {}) =>
      new Promise<number | undefined>((resolve, reject) => {
        const options = { host: '127.0.0.1', port: worker.port, path, ca: server.cert, agent: false, headers };
        request(options, (response) => resolve(response.resume().statusCode))
          .on('error', reject)
          .end();
      });
    expect(await answer('/ready')).toBe(200);
    expect(await answer('/metrics')).toBe(401);
    expect(await answer('/metrics', { authorization: 'Bearer a-token-for-the-metrics' })).toBe(200);
    await expect(fetch(`http://127.0.0.1:${worker.port}/health`)).rejects.toThrow();
  });

  test('doctor fails for a certificate that has expired, and for a pair that does not fit', async () => {
    const folder = await testFolder();
    const authority = createAuthority();
    const [expired, other] = [authority.issue('gate.test', -1), authority.issue('gate.test')];
    await writeFile(join(folder, 'tls.crt'), expired.cert);
    await writeFile(join(folder, 'tls.key'), expired.key);
    const files = { SALLYPORT_TLS_CERT: 'tls.crt', SALLYPORT_TLS_KEY: 'tls.key' };
    const first = await doctor(files, folder);
    expect(first.code).toBe(1);
    expect(first.lines).toContainEqual(expect.stringMatching(/^FAIL {2}TLS: SALLYPORT_TLS_CERT: expired on \d{4}-/));
    await writeFile(join(folder, 'tls.key'), other.key);
    expect((await doctor(files, folder)).lines).toContain(
      'FAIL  TLS: SALLYPORT_TLS_KEY: does not belong to the certificate of SALLYPORT_TLS_CERT',
    );
  });
});
