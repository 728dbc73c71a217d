// Makes what a deployment with deploy/compose needs once: passwords, keys, an authority with certificates, and .env. It never
// overwrites a file, so it can be run again. It needs Node and openssl, and no packages.
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const USAGE = `usage: node deploy/local/init.js [--state FOLDER] [--env FILE] [--host NAME]...

Makes, where they are not there yet:
  FOLDER/secrets   passwords and keys (default of FOLDER: deploy/compose/state)
  FOLDER/tls       an authority, and certificates of the parts
  FOLDER/gate      empty: for secrets of channels and agents
  FILE             settings, from .env.example (default: deploy/compose/.env)

Files have the mode 0600 and folders 0700. A file that is there is never changed.

  --host NAME  a name of the proxy's certificate, besides localhost; the first is the one it serves (DEPLOY_SITE)
  --help       show this text
`;

/** Wrong options: EX_USAGE of sysexits.h. */
const EX_USAGE = 64;

/** Days a certificate is valid: the most that browsers take from an authority of one's own (Apple, HT210176). */
const CERTIFICATE_DAYS = 825;
const AUTHORITY_DAYS = 3650;

/** Who owns the files when root makes them: `nonroot` of the image. Containers run as the owner, which must not be root. */
const NONROOT = 65532;

const compose = fileURLToPath(new URL('../compose/', import.meta.url));
const uid = process.getuid?.() === 0 ? NONROOT : (process.getuid?.() ?? NONROOT);
const gid = process.getuid?.() === 0 ? NONROOT : (process.getgid?.() ?? NONROOT);

/** Something that a person has to change. */
class Refusal extends Error {}

const say = (line) => process.stdout.write(`${line}\n`);
const isRoot = () => process.getuid?.() === 0;

function makeFolder(path) {
  if (!existsSync(path)) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (isRoot()) chownSync(path, uid, gid);
  }
  refuseLoose(path);
}

/** A key that others could read was not secret, and narrowing its mode would hide that. */
function refuseLoose(path) {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) !== 0) {
    throw new Refusal(
      `${path}: others can use it (mode ${mode.toString(8)}); run chmod go= on it, or remove it to have it made anew`,
    );
  }
}

/**
 * Writes the file unless it is there, whole or not at all: a link to a name that is taken fails, also when two of us run at
 * once. Returns what the file holds.
 */
function keep(path, make) {
  if (!existsSync(path)) {
    const folder = mkdtempSync(join(dirname(path), '.new-'));
    const fresh = join(folder, 'file');
    try {
      writeFileSync(fresh, make(), { mode: 0o600 });
      chmodSync(fresh, 0o600);
      if (isRoot()) chownSync(fresh, uid, gid);
      linkSync(fresh, path);
      say(`made ${path}`);
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  refuseLoose(path);
  return readFileSync(path, 'utf8');
}

const random = (encoding) => () => randomBytes(32).toString(encoding);

function makeSecrets(folder) {
  makeFolder(folder);
  const secret = (name, make) => keep(join(folder, name), make);
  // No character of base64url has a meaning in a URL.
  const password = secret('redis-password', random('base64url'));
  const hash = createHash('sha256').update(password).digest('hex');
  secret('redis-users', () =>
    [
      'user default off',
      // For health checks, which then need no password.
      'user health on nopass resetkeys resetchannels -@all +ping',
      // What the product and BullMQ call: no administration, but INFO and CONFIG GET, by which it refuses an unsafe Redis.
      `user sallyport on #${hash} ~* &* +@all -@admin -@dangerous +info +config|get +client|setname +role`,
      '',
    ].join('\n'),
  );
  secret('redis-url', () => `redis://sallyport:${password}@redis:6379`);
  secret('redis-url-tls', () => `rediss://sallyport:${password}@redis:6379`);
  secret('seal-key', random('base64'));
  secret('id-key', random('base64'));
  secret('jwt-secret', random('base64url'));
  secret('metrics-token', random('base64url'));
  secret('grafana-password', random('base64url'));
}

function openssl(...args) {
  const { error, status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  if (error?.code === 'ENOENT') {
    throw new Refusal('openssl: is missing; install it with `apt-get install openssl` or `brew install openssl@3`');
  }
  if (status !== 0) throw new Refusal(`openssl ${args[0]}: failed with ${status ?? error?.code}: ${stderr.trim()}`);
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes a pair in a folder of its own that is removed, and hands its two files to `take`. */
function withPair(folder, make, take) {
  const temporary = mkdtempSync(join(folder, '.pair-'));
  try {
    make((name) => join(temporary, name));
    take((name) => readFileSync(join(temporary, name)));
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

function makeAuthority(folder) {
  const [cert, key] = [join(folder, 'ca.crt'), join(folder, 'ca.key')];
  if (existsSync(cert) !== existsSync(key))
    throw new Refusal(`${folder}: has one of ca.crt and ca.key; restore the other, or remove both`);
  if (!existsSync(cert)) {
    const make = (at) =>
      openssl(
        ...['req', '-x509', ...CURVE, '-days', String(AUTHORITY_DAYS), '-subj', '/CN=Sallyport local authority'],
        ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign', '-keyout', at('ca.key'), '-out', at('ca.crt')],
      );
    withPair(folder, make, (read) => {
      keep(key, () => read('ca.key'));
      keep(cert, () => read('ca.crt'));
    });
  }
  refuseLoose(key);
  return { cert, key };
}

/** `part` answers to its name in the compose file, and on this machine, where `npm run deploy:local` starts it. */
function makeCertificate(folder, authority, part, names = []) {
  const own = join(folder, part);
  makeFolder(own);
  const [cert, key] = [join(own, 'tls.crt'), join(own, 'tls.key')];
  keep(join(own, 'ca.crt'), () => readFileSync(authority.cert));
  if (existsSync(cert) !== existsSync(key))
    throw new Refusal(`${own}: has one of tls.crt and tls.key; restore the other, or remove both`);
  if (existsSync(cert)) return refuseLoose(key);
  const make = (at) => {
    const alternatives = [...new Set([part, 'localhost', ...names])].map((name) => `DNS:${name}`);
    const lines = [
      `subjectAltName=${[...alternatives, 'IP:127.0.0.1'].join(',')}`,
      'extendedKeyUsage=serverAuth',
      'basicConstraints=critical,CA:FALSE',
      '',
    ];
    writeFileSync(at('extensions'), lines.join('\n'));
    openssl('req', '-new', ...CURVE, '-subj', `/CN=${part}`, '-keyout', at('tls.key'), '-out', at('csr'));
    openssl(
      ...['x509', '-req', '-in', at('csr'), '-CA', authority.cert, '-CAkey', authority.key],
      ...['-set_serial', `0x${randomBytes(16).toString('hex')}`, '-days', String(CERTIFICATE_DAYS)],
      ...['-extfile', at('extensions'), '-out', at('tls.crt')],
    );
  };
  withPair(own, make, (read) => {
    keep(key, () => read('tls.key'));
    keep(cert, () => read('tls.crt'));
  });
}

function makeEnvironment(path, state, site = '') {
  keep(path, () =>
    readFileSync(join(compose, '.env.example'), 'utf8')
      .replace('DEPLOY_UID=\n', `DEPLOY_UID=${uid}\n`)
      .replace('DEPLOY_GID=\n', `DEPLOY_GID=${gid}\n`)
      .replace('DEPLOY_SITE=\n', `DEPLOY_SITE=${site}\n`)
      .replace('DEPLOY_STATE=\n', state === join(compose, 'state') ? 'DEPLOY_STATE=\n' : `DEPLOY_STATE=${state}\n`),
  );
}

function main() {
  let options;
  try {
    const strings = { state: { type: 'string' }, env: { type: 'string' }, host: { type: 'string', multiple: true } };
    options = parseArgs({ options: { ...strings, help: { type: 'boolean' } } }).values;
    const isName = (host) => /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(host);
    if (options.host?.some((host) => !isName(host))) throw new Error('--host: must be the name of a host');
  } catch (error) {
    process.stderr.write(`init: ${error.message}\n\n${USAGE}`);
    return EX_USAGE;
  }
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const state = resolve(options.state ?? join(compose, 'state'));
  try {
    for (const name of ['', 'gate', 'redis', 'caddy', 'prometheus', 'grafana', 'tls']) makeFolder(join(state, name));
    makeSecrets(join(state, 'secrets'));
    const tls = join(state, 'tls');
    const authority = makeAuthority(tls);
    for (const part of ['redis', 'ingress', 'worker']) makeCertificate(tls, authority, part);
    makeCertificate(tls, authority, 'proxy', options.host);
    makeFolder(join(tls, 'prometheus'));
    keep(join(tls, 'prometheus', 'ca.crt'), () => readFileSync(authority.cert));
    makeEnvironment(resolve(options.env ?? join(compose, '.env')), state, options.host?.[0]);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    process.stderr.write(`init: ${error.message}\n`);
    return 1;
  }
  say(`everything is in ${state}`);
  return 0;
}

process.exitCode = main();
