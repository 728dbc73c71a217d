import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ask } from '../../deploy/local/redis.js';
import { endWithParent } from '../support/children.ts';
import { describeRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const local = join(import.meta.dirname, '..', '..', 'deploy', 'local');

interface Command {
  readonly out: string;
  readonly err: string;
  /** The exit code. */
  stop(): Promise<number | null>;
  readonly exited: Promise<number | null>;
}

function start(name: string, ...args: readonly string[]): Command {
  const child = endWithParent(spawn(join(local, name), args, { stdio: ['ignore', 'pipe', 'pipe'] }));
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err += text;
  });
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const stop = () => {
    child.kill('SIGTERM');
    return exited;
  };
  return {
    get out() {
      return said.out;
    },
    get err() {
      return said.err;
    },
    stop,
    exited,
  };
}

describeRedis('Redis for several machines, on one', () => {
  test.each([
    ['redis-cluster', 'redis://:PASSWORD@127.0.0.1'],
    ['redis-sentinel', 'redis+sentinel://:PASSWORD@127.0.0.1'],
  ])('%s serves six processes behind a password that nobody else can read, and leaves nothing', async (name, url) => {
    const command = start(name);
    onTestFinished(() => void command.stop());
    await until(`${name} is ready`, () => command.out.includes('set +a'));
    const ports = (/ports ([\d ]+)/.exec(command.out)?.[1] ?? '').split(' ').map(Number);
    expect(new Set(ports).size).toBe(6);
    const file = /\. (\S+);/.exec(command.out)?.[1] ?? '';
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const text = readFileSync(file, 'utf8');
    const password = /:([0-9a-f]{48})@/.exec(text)?.[1] ?? '';
    expect(text.replaceAll(password, 'PASSWORD')).toContain(`SALLYPORT_REDIS_URL=${url}`);
    expect(command.out + command.err).not.toContain(password);
    const [store = 0] = ports;
    expect(await ask(store, 'INFO persistence')).toContain('NOAUTH');
    expect(await ask(store, 'INFO persistence', password)).toContain('aof_enabled:1');
    expect(await ask(store, 'CONFIG GET maxmemory-policy', password)).toContain('noeviction');
    expect(await command.stop()).toBe(0);
    expect(existsSync(file)).toBe(false);
    expect(await Promise.all(ports.map((port) => ask(port, 'PING')))).toEqual(Array(6).fill(''));
  });

  test('an option that there is not, a port out of range and a folder that is in use are refused', async () => {
    const refused = [
      start('redis-cluster', '--prot', '7000'),
      start('redis-cluster', '--port', '65530'),
      start('redis-sentinel', '--dir', local),
    ];
    expect(await Promise.all(refused.map(({ exited }) => exited))).toEqual([64, 64, 64]);
    expect(refused.map(({ err }) => err)).toEqual([
      'redis-cluster: unknown option; --help lists the options\n',
      '--port: must be a number from 1 to 65524\n',
      '--dir: must be empty or absent; name another folder\n',
    ]);
  });
});
