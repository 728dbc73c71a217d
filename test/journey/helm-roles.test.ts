import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createAuthority } from '../support/authority.ts';
import { testFolder } from '../support/folder.ts';
import { freePort } from '../support/free-port.ts';
import { chart, describeHelm, render } from '../support/kubernetes/helm.ts';
import { type PodSpec, podsOf, type SecretSource } from '../support/kubernetes/objects.ts';
import { describeWith } from '../support/needs.ts';
import { startRedis } from '../support/redis.ts';
import { startRole } from '../support/role.ts';
import { until } from '../support/until.ts';

type Secrets = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Writes the Secrets that a pod mounts to where it mounts them, below a folder. Fails, as a kubelet does, when one is missing. */
async function mount({ containers, volumes }: PodSpec, secrets: Secrets, folder: string): Promise<void> {
  for (const { name, mountPath } of containers.flatMap(({ volumeMounts }) => volumeMounts)) {
    const { projected, secret } = volumes.find((volume) => volume.name === name) ?? {};
    const named = secret && { name: secret.secretName, items: itemsOf(secrets[secret.secretName] ?? {}) };
    const sources: readonly SecretSource[] = named ? [named] : (projected?.sources.map((one) => one.secret) ?? []);
    await mkdir(join(folder, mountPath), { recursive: true });
    for (const source of sources) {
      for (const { key, path } of source.items) {
        const value = secrets[source.name]?.[key];
        if (value === undefined) throw new Error(`${source.name}: has no key ${key}`);
        await writeFile(join(folder, mountPath, path), value);
      }
    }
  }
}

const itemsOf = (secret: object) => Object.keys(secret).map((key) => ({ key, path: key }));

describeHelm('the Helm chart and the product', () => {
  describeWith(
    'redis-server',
    'redis-cli',
    'openssl',
    'bwrap',
  )('with a real Redis over TLS', () => {
    test('both roles become ready with the environment and files of the chart, without a file system to write to', async () => {
      const folder = await testFolder();
      const authority = createAuthority();
      const pair = authority.issue('gate.example.com');
      for (const [name, text] of Object.entries({ ...pair, ca: authority.cert }))
        await writeFile(join(folder, name), text);
      const tlsPort = await freePort();
      const tls = ['--tls-port', tlsPort, '--tls-auth-clients', 'no', '--tls-cert-file', join(folder, 'cert')];
      const files = ['--tls-key-file', join(folder, 'key'), '--tls-ca-cert-file', join(folder, 'ca')];
      const user = ['--user', 'gate', 'on', '>a password', '~*', '&*', '+@all'];
      const redis = await startRedis({ args: [...tls, ...files, ...user].map(String) });
      onTestFinished(() => redis.stop());
      const key = () => randomBytes(32).toString('base64');
      const secrets: Secrets = {
        sallyport: {
          'redis-url': `rediss://gate:a%20password@127.0.0.1:${tlsPort}`,
          'seal-key': key(),
          'id-key': key(),
          'metrics-token': 'a-token-for-metrics-only',
        },
        'sallyport-slack': { 'signing-secret': randomBytes(16).toString('hex'), 'bot-token': 'xoxb-of-no-workspace' },
        'sallyport-redis-ca': { 'ca.crt': authority.cert },
        'sallyport-tls': { 'tls.crt': pair.cert, 'tls.key': pair.key },
        'sallyport-clients': { 'ca.crt': createAuthority('clients').cert },
      };
      const pods = podsOf(render(['--values', join(chart, 'ci', 'tls.yaml')]).objects);
      expect(pods).toHaveLength(2);
      await Promise.all(
        pods.map(async ({ spec }) => {
          const [container] = spec.containers;
          const role = container?.args[0] ?? '';
          const own = join(folder, role);
          await mount(spec, secrets, own);
          const inFolder = (value: string): string => value.replace(/^\/etc\/sallyport\//, `${own}/etc/sallyport/`);
          const environment = Object.fromEntries(
            container?.env.map(({ name, value = '' }) => [name, inFolder(value)]) ?? [],
          );
          const port = await freePort();
          const { runAsUser, runAsGroup } = spec.securityContext as { runAsUser: number; runAsGroup: number };
          const ids = ['--unshare-user', '--uid', String(runAsUser), '--gid', String(runAsGroup)];
          const shutIn = [
            'bwrap',
            '--ro-bind',
            '/',
            '/',
            '--proc',
            '/proc',
            '--dev',
            '/dev',
            '--cap-drop',
            'ALL',
            ...ids,
          ];
          const process = await startRole({
            role,
            environment: { ...environment, HOST: '127.0.0.1', PORT: String(port) },
            folder: own,
            port,
            ca: authority.cert,
            within: [...shutIn, '--die-with-parent'],
          });
          onTestFinished(() => process.kill());
          const ask = (path: string, token?: string): Promise<number | undefined> =>
            new Promise((resolve, reject) => {
              const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
              const options = { ca: authority.cert, agent: false, headers };
              get(process.url + path, options, (answer) => resolve(answer.resume().statusCode)).on('error', reject);
            });
          await until(
            `${role} is ready`,
            async () => (await ask(container?.readinessProbe.httpGet.path ?? '')) === 200,
          );
          expect(await ask(container?.livenessProbe.httpGet.path ?? '')).toBe(200);
          expect(await ask('/metrics')).toBe(401);
          expect(await ask('/metrics', secrets.sallyport?.['metrics-token'])).toBe(200);
        }),
      );
    });
  });
});
