// Installs what the tests need: the node modules of package-lock.json and the programs of test-tools.json. It runs before
// there are node modules, so it imports nothing but Node's own.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const USAGE = `usage: npm run setup [-- --check]

Installs what the tests need, and nothing when all of it is there:
  - the node modules of package-lock.json, with npm ci
  - the programs that tests start, as Debian packages, as root or with sudo where it needs no password

  --check   only say what is missing; the exit code is 1 if anything is
  --help    show this text
`;

/** Wrong options: EX_USAGE of sysexits.h. */
const EX_USAGE = 64;

const root = new URL('../', import.meta.url);
const inRoot = (path) => fileURLToPath(new URL(path, root));
const readJson = (path) => (existsSync(inRoot(path)) ? JSON.parse(readFileSync(inRoot(path), 'utf8')) : {});

const tools = Object.entries(readJson('scripts/test-tools.json')).filter(
  ([, { platform }]) => platform === undefined || platform === process.platform,
);

const say = (line) => process.stdout.write(`${line}\n`);
const works = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
const run = (command, ...args) => spawnSync(command, args, { stdio: 'inherit', cwd: inRoot('.') }).status === 0;

/** Whether every module of the lock file is in node_modules in its version, but those of other platforms. */
function areModulesInstalled() {
  const { packages: installed = {} } = readJson('node_modules/.package-lock.json');
  return Object.entries(readJson('package-lock.json').packages).every(
    ([path, { version, optional }]) =>
      path === '' || optional || (installed[path]?.version === version && existsSync(inRoot(`${path}/package.json`))),
  );
}

function missingTools() {
  return tools.filter(([name, { probe, prints = '' }]) => {
    const { status, stdout } = spawnSync(name, probe, { encoding: 'utf8' });
    return status !== 0 || !new RegExp(prints).test(stdout);
  });
}

const namesOf = (some) => some.map(([name, { version = '' }]) => `${name} ${version}`.trim()).join(', ');

const packagesOf = (some, system) => [...new Set(some.map(([, tool]) => tool[system]))];

function installModules() {
  say('node modules: missing or of other versions than package-lock.json says; running npm ci');
  return run('npm', 'ci');
}

/** How to run something as root without asking for a password; `null` where there is no way. */
function asRoot() {
  if (process.getuid?.() === 0) return [];
  return works('sudo', '-n', 'true') ? ['sudo', '-n'] : null;
}

function installTools(missing) {
  const packages = packagesOf(missing, 'debian');
  if (!works('apt-get', '--version')) {
    say(`programs: missing ${namesOf(missing)}`);
    say('There is no apt-get here. Install them, then run `npm run setup` again. With Homebrew:');
    say(`  brew install ${packagesOf(missing, 'brew').join(' ')}`);
    return false;
  }
  const prefix = asRoot();
  if (prefix === null) {
    say(`programs: missing ${namesOf(missing)}`);
    say('Installing them needs root, and sudo asks for a password. Run this, then `npm run setup` again:');
    say(`  sudo sh scripts/install-debian-packages.sh ${packages.join(' ')}`);
    return false;
  }
  say(`programs: missing ${namesOf(missing)}`);
  say(`programs: installing the Debian packages ${packages.join(', ')} as root; no service is started`);
  const [command, ...args] = [...prefix, 'sh', inRoot('scripts/install-debian-packages.sh'), ...packages];
  const isDone = run(command, ...args);
  const still = missingTools();
  if (still.length > 0) say(`programs: still missing ${namesOf(still)}`);
  return isDone && still.length === 0;
}

function main() {
  let options;
  try {
    options = parseArgs({ options: { check: { type: 'boolean' }, help: { type: 'boolean' } } }).values;
  } catch (error) {
    process.stderr.write(`setup: ${error.message}\n\n${USAGE}`);
    return EX_USAGE;
  }
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const hasModules = areModulesInstalled();
  const missing = missingTools();
  if (hasModules) say('node modules: as package-lock.json says');
  if (missing.length === 0) say(`programs: ${namesOf(tools)} are there`);
  if (options.check) {
    if (!hasModules) say('node modules: missing or of other versions than package-lock.json says');
    if (missing.length > 0) say(`programs: missing ${namesOf(missing)}`);
    return hasModules && missing.length === 0 ? 0 : 1;
  }
  // Both are tried, so that one run shows everything that is wrong.
  const outcomes = [hasModules || installModules(), missing.length === 0 || installTools(missing)];
  return outcomes.every(Boolean) ? 0 : 1;
}

process.exitCode = main();
