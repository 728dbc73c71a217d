// Makes sure that redis-server is there for the tests: Debian's package where apt-get can install it, a clear message
// elsewhere. Without it the Redis suites are skipped (and counted) on a developer's machine and fail in CI.
import { spawnSync } from 'node:child_process';

const works = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

if (!works('redis-server', '--version')) {
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const run = (...args) => {
    const [command, ...rest] = [...sudo, ...args];
    return spawnSync(command, rest, { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
  };
  const canInstall = works('apt-get', '--version') && (sudo.length === 0 || works('sudo', '-n', 'true'));
  if (canInstall) console.log('redis-server is missing: installing the Debian package');
  const isInstalled =
    canInstall && run('apt-get', 'update', '-qq') && run('apt-get', 'install', '-y', '-qq', 'redis-server');
  if (!isInstalled) console.log('redis-server is missing: install Redis 7 or later to run the Redis suites');
}
