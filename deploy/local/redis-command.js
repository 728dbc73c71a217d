// What `redis-cluster` and `redis-sentinel` have in common: options, ports, a password, and a clean end.
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const OPTIONS = `
  --port N     first of the ports, which are consecutive; free ones otherwise
  --dir DIR    folder of the data, empty or absent, which is kept; otherwise a temporary one, which is removed
  --help       show this text

It listens on 127.0.0.1 only, with a new password that is in files of the folder and is not printed. Ctrl-C or SIGTERM
ends every process.
`;

/** Wrong options: EX_USAGE of sysexits.h. */
const EX_USAGE = 64;

/**
 * Runs a command that starts servers and ends them at a signal. `start` takes `count` ports, a folder for each of them and
 * a password; `settings` are the environment variables that go with the URL.
 */
export async function runCommand({ name, about, count, settings, start }) {
  const options = readOptions(name);
  if (options.help) {
    process.stdout.write(`usage: deploy/local/${name} [--port N] [--dir DIR]\n\n${about}\n${OPTIONS}`);
    return;
  }
  const ports = options.port === undefined ? await freePorts(count) : portsFrom(options.port, count);
  const folder = await folderFor(name, options.dir);
  const stopped = new Promise((done) => void process.once('SIGINT', done).once('SIGTERM', done));
  try {
    const servers = await start({ ports, folderOf: (port) => join(folder, String(port)), password: newPassword() });
    const file = join(folder, 'sallyport.env');
    const lines = Object.entries({ SALLYPORT_REDIS_URL: servers.url, ...settings });
    await writeFile(file, lines.map(([key, value]) => `${key}=${value}\n`).join(''), { mode: 0o600 });
    const used = servers.nodes.map(({ port }) => port).join(' ');
    process.stdout.write(`${name} is ready on 127.0.0.1, ports ${used}\nset -a; . ${file}; set +a\n`);
    await stopped;
    // Those that watch end first, so that they replace nothing that ends after them.
    for (const node of [...servers.nodes].reverse()) await node.end();
  } finally {
    if (options.dir === undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** Hexadecimal digits mean the same in a URL, in a configuration and in a shell. */
const newPassword = () => randomBytes(24).toString('hex');

function readOptions(name) {
  try {
    const { values } = parseArgs({
      options: { port: { type: 'string' }, dir: { type: 'string' }, help: { type: 'boolean' } },
    });
    return values;
  } catch {
    return refuse(`${name}: unknown option; --help lists the options`);
  }
}

function portsFrom(text, count) {
  const first = Number(text);
  if (!Number.isInteger(first) || first < 1 || first + count - 1 > 65_535) {
    refuse(`--port: must be a number from 1 to ${65_536 - count}`);
  }
  return Array.from({ length: count }, (_, at) => first + at);
}

/** Held all at once, so that none is given twice. */
async function freePorts(count) {
  const held = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
      return server;
    }),
  );
  const ports = held.map((server) => server.address().port);
  await Promise.all(held.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

async function folderFor(name, given) {
  if (given === undefined) return mkdtemp(join(tmpdir(), `sallyport-${name}-`));
  const folder = resolve(given);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length > 0) refuse('--dir: must be empty or absent; name another folder');
  return folder;
}

function refuse(text) {
  process.stderr.write(`${text}\n`);
  process.exit(EX_USAGE);
}
