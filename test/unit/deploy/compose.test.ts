import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Compose, readCompose } from '../../../deploy/local/compose.ts';
import { type ComposeDocument, composeProblems, parseCompose } from '../../support/deploy/compose-policy.ts';

const deploy = join(import.meta.dirname, '..', '..', '..', 'deploy');
const file = (name: string): string => join(deploy, 'compose', name);
const text = readFileSync(file('compose.yaml'), 'utf8');

const IDS = { DEPLOY_UID: '1000', DEPLOY_GID: '1000' };
const plain = readCompose([file('compose.yaml')], IDS);
const tls = readCompose([file('compose.yaml'), file('compose.tls.yaml')], IDS);

describe('the policy', () => {
  test('compose.yaml keeps it', () => {
    expect(composeProblems(parseCompose(text))).toEqual([]);
  });

  const set =
    (path: readonly string[], value: unknown) =>
    (document: ComposeDocument): void =>
      document.setIn(path, document.createNode(value));
  const unset =
    (...path: readonly string[]) =>
    (document: ComposeDocument): void =>
      void document.deleteIn(path);

  test.each<readonly [string, string, (document: ComposeDocument) => void]>([
    ['the image latest', 'redis: the image has neither', set(['services', 'redis', 'image'], 'redis:latest')],
    ['an image without a tag', 'redis: the image has neither', set(['services', 'redis', 'image'], 'redis')],
    ['a tag without its mark', 'proxy: the image has neither', set(['services', 'proxy', 'image'], 'caddy:2.10')],
    ['root', 'redis: may run as root', set(['services', 'redis', 'user'], '0:0')],
    ['a user that the image chooses', 'redis: may run as root', unset('x-hardened', 'user')],
    [
      'a root file system that can be written',
      'worker: the root file system',
      set(['services', 'worker', 'read_only'], false),
    ],
    ['capabilities', 'grafana: keeps capabilities', unset('x-hardened', 'cap_drop')],
    ['a further capability', 'worker: adds SYS_ADMIN', set(['services', 'worker', 'cap_add'], ['SYS_ADMIN'])],
    ['the right to gain privileges', 'proxy: can gain privileges', unset('x-hardened', 'security_opt')],
    ['a privileged container', 'ingress: is privileged', set(['services', 'ingress', 'privileged'], true)],
    [
      'the socket of Docker',
      'worker: holds Docker',
      set(['services', 'worker', 'volumes'], ['/var/run/docker.sock:/d']),
    ],
    ['a published port', 'redis: publishes 6379:6379', set(['services', 'redis', 'ports'], ['6379:6379'])],
    ['the network of the host', 'worker: is not in a network', set(['services', 'worker', 'network_mode'], 'host')],
    ['Redis in a network that leads out', 'redis: joins out', set(['services', 'redis', 'networks'], ['store', 'out'])],
    ['a network that leads out', 'network store: is not internal', unset('networks', 'store', 'internal')],
    ['no network of its own', 'redis: is in the default network', unset('services', 'redis', 'networks')],
    [
      'a secret in the environment',
      'ingress: SALLYPORT_SEAL_KEY is not',
      set(['services', 'ingress', 'environment', 'SALLYPORT_SEAL_KEY'], 'x'),
    ],
    [
      'a secret that is not a file',
      'secret seal-key: is not a file',
      set(['secrets', 'seal-key'], { environment: 'SEAL_KEY' }),
    ],
    ['no limit of memory', 'redis: has no mem_limit', unset('services', 'redis', 'mem_limit')],
    ['no limit of processes', 'worker: has no pids_limit', unset('x-sallyport', 'pids_limit')],
    ['no health check', 'prometheus: has no health check', unset('services', 'prometheus', 'healthcheck')],
  ])('refuses %s', (_, problem, change) => {
    const document = parseCompose(text);
    change(document);
    const problems = composeProblems(document);
    expect(problems.filter((line) => line.startsWith(problem))).toHaveLength(1);
  });
});

describe('both variants', () => {
  const argument = ({ services }: Compose, name: string): string | undefined => {
    const words = services.redis?.command ?? [];
    return words[words.indexOf(name) + 1];
  };

  test.each([
    ['plain', plain],
    ['TLS', tls],
  ])('%s: Redis has AOF, no eviction and users from a file', (_, compose) => {
    expect(argument(compose, '--appendonly')).toBe('yes');
    expect(argument(compose, '--maxmemory-policy')).toBe('noeviction');
    expect(argument(compose, '--aclfile')).toBe('/run/secrets/redis-users');
  });

  test('TLS changes nothing else of how Redis is started', () => {
    const without = tls.services.redis?.command
      .join(' ')
      .replace(/--port 0 --tls-port (\d+)( --tls-\S+ \S+)*/, '--port $1');
    expect(without).toBe(plain.services.redis?.command.join(' '));
  });

  test('TLS: no part speaks or listens without it', () => {
    expect(argument(tls, '--port')).toBe('0');
    for (const name of ['ingress', 'worker']) {
      const { environment = {}, volumes = [] } = tls.services[name] ?? {};
      expect(environment).toMatchObject({
        SALLYPORT_TLS_CERT: '/run/tls/tls.crt',
        SALLYPORT_REDIS_URL_FILE: '/run/secrets/redis-url-tls',
      });
      expect(volumes).toContain(`./state/tls/${name}:/run/tls:ro`);
    }
    expect(tls.services.proxy?.volumes).toContain('./upstream.tls.caddy:/etc/caddy/upstream.caddy:ro');
    expect(tls.services.proxy?.volumes.filter((volume) => volume.includes('upstream'))).toHaveLength(1);
    expect(readFileSync(file('upstream.tls.caddy'), 'utf8')).toMatch(/^reverse_proxy https:/);
  });

  test('the proxy that is trusted has the address it is trusted by', () => {
    const networks = plain.services.proxy?.networks as Readonly<Record<string, { readonly ipv4_address?: string }>>;
    const address = networks.front?.ipv4_address ?? '';
    expect(plain.services.ingress?.environment.SALLYPORT_TRUSTED_PROXIES).toBe(`${address}/32`);
    // Docker gives other containers addresses of the range only, so none of them gets the proxy's.
    const [, subnet = '', range = ''] =
      /subnet: ([\d.]+)\/24, ip_range: ([\d.]+)\/25/.exec(readFileSync(file('compose.yaml'), 'utf8')) ?? [];
    const numbers = (text: string): number[] => text.split('.').map(Number);
    expect(numbers(address).slice(0, 3)).toEqual(numbers(subnet).slice(0, 3));
    expect(numbers(address)[3]).toBeLessThan(numbers(range)[3] ?? 0);
  });

  test('every file of the checkout that is mounted exists', () => {
    const sources = [plain, tls].flatMap(({ services }) =>
      Object.values(services).flatMap(({ volumes }) => volumes.map((volume) => volume.split(':')[0] ?? '')),
    );
    const own = sources.filter((source) => !source.startsWith('./state'));
    expect(own).toEqual(expect.arrayContaining(['../grafana/dashboards', '../prometheus/rules.yml', './Caddyfile']));
    expect(own.filter((source) => !existsSync(resolve(deploy, 'compose', source)))).toEqual([]);
  });

  test('ids that are missing are named with the remedy', () => {
    expect(() => readCompose([file('compose.yaml')], { DEPLOY_UID: '' })).toThrow(
      'DEPLOY_UID: is missing; run node deploy/local/init.js',
    );
  });
});

describe('.env.example', () => {
  const withValues = (example: string): readonly string[] =>
    Object.entries(parseEnv(example))
      .filter(([, value]) => value !== '')
      .map(([name]) => name);

  test('has names and no values', () => {
    const example = readFileSync(file('.env.example'), 'utf8');
    expect(withValues(example)).toEqual([]);
    expect(withValues(example.replace('DEPLOY_SITE=', 'DEPLOY_SITE=gate.example'))).toEqual(['DEPLOY_SITE']);
  });

  test('has every variable that compose.yaml takes', () => {
    const taken = new Set([...text.matchAll(/\$\{(\w+)/g)].map(([, name]) => name));
    const offered = Object.keys(parseEnv(readFileSync(file('.env.example'), 'utf8')));
    expect(offered.filter((name) => name.startsWith('DEPLOY_')).toSorted()).toEqual([...taken].toSorted());
  });
});

describe('prometheus.yml', () => {
  interface Scrape {
    readonly scheme: string;
    readonly authorization?: { readonly type: string; readonly credentials_file: string };
    readonly tls_config?: Readonly<Record<string, string>>;
    readonly dns_sd_configs: readonly { readonly names: readonly string[]; readonly port: number }[];
  }
  const read = (name: string) =>
    parse(readFileSync(join(deploy, 'prometheus', name), 'utf8')) as { readonly scrape_configs: readonly Scrape[] };

  test('asks every ingress and worker with the token of its secret', () => {
    const { scrape_configs: jobs } = read('prometheus.yml');
    expect(jobs.flatMap(({ dns_sd_configs: [found] }) => found?.names)).toEqual(['ingress', 'worker']);
    for (const { authorization } of jobs) {
      expect(authorization).toEqual({ type: 'Bearer', credentials_file: '/run/secrets/metrics-token' });
    }
    expect(plain.services.prometheus?.secrets).toEqual(['metrics-token']);
  });

  test('over TLS differs in the scheme and whom it trusts alone', () => {
    const { scrape_configs: jobs, ...rest } = read('prometheus.tls.yml');
    const { scrape_configs: plainJobs, ...plainRest } = read('prometheus.yml');
    expect(rest).toEqual(plainRest);
    expect(jobs.map(({ tls_config: _, ...job }) => ({ ...job, scheme: 'http' }))).toEqual(plainJobs);
    const trusted = jobs.map(({ scheme, tls_config: config }) => [scheme, config?.ca_file, config?.server_name]);
    expect(trusted).toEqual([
      ['https', '/run/tls/ca.crt', 'ingress'],
      ['https', '/run/tls/ca.crt', 'worker'],
    ]);
  });
});
