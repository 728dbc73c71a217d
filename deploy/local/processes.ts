import { readFileSync, statSync } from 'node:fs';
import { join, posix, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { type Compose, type ComposeService, partsOf } from './compose.ts';
import { lastOf, parseDockerfile, type Stage } from './dockerfile.ts';

/** One container of the compose file as a process of this machine. */
export interface Plan {
  readonly name: string;
  /** Program and arguments. */
  readonly command: readonly string[];
  /** The whole environment, besides PATH. */
  readonly environment: Readonly<Record<string, string>>;
  /** The command that ends with 0 while the process is well. */
  readonly health: readonly string[];
  /** Names of those that must be well before it is started. */
  readonly after: readonly string[];
  /** Ms from SIGTERM to SIGKILL. */
  readonly graceMs: number;
  /** Files to be written before it is started, by path: those that are mounted, with addresses of this machine. */
  readonly files: Readonly<Record<string, string>>;
  /** Folders to be made before it is started. */
  readonly folders: readonly string[];
}

export interface Place {
  /** The checkout. */
  readonly root: string;
  /** Where copies of mounted files go. */
  readonly folder: string;
  /** Ports of this machine, by `service:port` of the compose file. */
  readonly ports: Readonly<Record<string, number>>;
}

/** The address of every process here. */
const LOOPBACK = '127.0.0.1';

/** Ports that services listen on, as `service:port`. */
export const listeners = ({ services }: Compose): readonly string[] =>
  Object.entries(services).flatMap(([name, service]) => portsOf(service).map((port) => `${name}:${port}`));

/** Container ports: those that are published, and those that others in its networks use. */
const portsOf = ({ expose, ports }: ComposeService): readonly string[] => [
  ...expose,
  ...ports.map((published) => published.split(':').at(-1) ?? published),
];

/**
 * What Docker would run, for this machine: the same programs, arguments, environment, health checks and mounted files. Paths in
 * a container become those of what is mounted there, and `service:port` an address of this machine.
 */
export function processesOf(compose: Compose, names: readonly string[], place: Place): readonly Plan[] {
  return names.map((name) => {
    const service = compose.services[name];
    if (service === undefined) throw new Error(`${name}: is not a service of the compose file`);
    return planOf(compose, name, service, place);
  });
}

function planOf(compose: Compose, name: string, service: ComposeService, place: Place): Plan {
  const image =
    service.build === undefined
      ? null
      : readImage(resolve(compose.folder, service.build.context), service.build.dockerfile);
  const mounts = mountsOf(compose, name, service, place.folder);
  const paths = [...mounts.map(({ target, here }) => [target, here] as const), ...(image?.paths ?? [])];
  const replace = replacing(compose, place, paths);
  const own = Object.fromEntries(portsOf(service).map((port) => [port, String(place.ports[`${name}:${port}`])]));
  // A port of its own stands alone, or after this machine's address.
  const ownPort = (text: string): string =>
    own[text] ?? text.replaceAll(/(?<=127\.0\.0\.1:)\d+/g, (port) => own[port] ?? port);
  const local = (text: string): string => replace(ownPort(text));

  const given = service.env_file.map((file) => parseEnv(readFileSync(resolve(compose.folder, file), 'utf8')));
  const environment = Object.assign({}, image?.environment, ...given, service.environment) as Record<string, string>;
  const copied = mounts.filter(({ source }) => source !== null && statSync(source).isFile());
  const [, ...health] = service.healthcheck.test;
  return {
    name,
    command: [...(image?.entry ?? []), ...service.command].map(local),
    environment: Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, local(value)])),
    health: health.map(local),
    after: Object.keys(service.depends_on),
    graceMs: Number.parseInt(service.stop_grace_period, 10) * 1000,
    files: Object.fromEntries(copied.map(({ here, source }) => [here, replace(readFileSync(source ?? '', 'utf8'))])),
    folders: mounts.filter(({ source }) => source === null).map(({ here }) => here),
  };
}

interface Mount {
  /** The path in the container. */
  readonly target: string;
  /** What is mounted; `null` for an empty folder in memory. */
  readonly source: string | null;
  /** The path on this machine: of a folder itself, of a file its copy. */
  readonly here: string;
}

function mountsOf(compose: Compose, name: string, service: ComposeService, folder: string): readonly Mount[] {
  const copy = (target: string): string => join(folder, name, target);
  const secrets = service.secrets.map((secret) => {
    const file = compose.secrets[secret]?.file;
    if (file === undefined) throw new Error(`${name}: the secret ${secret} is not declared`);
    return { source: resolve(compose.folder, file), target: `/run/secrets/${secret}` };
  });
  const volumes = service.volumes.map((volume) => {
    const { source, target } = partsOf(volume);
    return { source: resolve(compose.folder, source), target };
  });
  const mounted = [...secrets, ...volumes].map(({ source, target }) => {
    const isFile = statSync(source).isFile();
    return { source, target, here: isFile ? copy(target) : source };
  });
  const inMemory = service.tmpfs.map((mount) => {
    const [target = mount] = mount.split(':');
    return { source: null, target, here: copy(target) };
  });
  return [...mounted, ...inMemory];
}

/** Longest path first, so that a file in a folder is not taken for another one of the folder. */
function replacing({ services }: Compose, { ports }: Place, paths: readonly (readonly [string, string])[]) {
  const byLength = paths.toSorted(([one], [other]) => other.length - one.length);
  const here = new Map(byLength);
  // A path is whole where neither a word nor a slash stands before it, and no word after it.
  const escaped = byLength.map(([path]) => path.replaceAll(/[.\\+*?^$()[\]{}|]/g, '\\$&'));
  const path = escaped.length === 0 ? /(?!)/g : new RegExp(`(?<![\\w/.])(?:${escaped.join('|')})(?![\\w.-])`, 'g');
  const address = new RegExp(`(?<![\\w.-])(?:${Object.keys(services).join('|')}):\\d+\\b`, 'g');
  const fixed = Object.values(services).flatMap(({ networks }) =>
    Array.isArray(networks) ? [] : Object.values(networks).flatMap(({ ipv4_address: own }) => own ?? []),
  );
  return (text: string): string =>
    [...fixed, '0.0.0.0']
      .reduce((sofar, own) => sofar.replaceAll(own, LOOPBACK), text)
      .replaceAll(address, (found) => (ports[found] === undefined ? found : `${LOOPBACK}:${ports[found]}`))
      .replaceAll(path, (found) => here.get(found) ?? found);
}

/** What the image brings that the compose file does not say. */
function readImage(root: string, dockerfile: string) {
  const stage = parseDockerfile(readFileSync(join(root, dockerfile), 'utf8')).at(-1);
  if (stage === undefined) throw new Error(`${dockerfile}: has no stage`);
  return {
    entry: lastOf(stage, 'ENTRYPOINT')?.words ?? [],
    environment: environmentOf(stage),
    paths: [['/nodejs/bin/node', process.execPath] as const, ...copiesOf(stage, root)],
  };
}

/** `NAME=value` without quotes and spaces, which ours are. */
const environmentOf = (stage: Stage): Readonly<Record<string, string>> =>
  Object.fromEntries(
    stage.instructions
      .filter(({ name }) => name === 'ENV')
      .flatMap(({ text }) => text.split(/\s+/))
      .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );

/** Paths in the image, and the paths in the checkout that they are copied from; what a build makes is there as well. */
export function copiesOf(stage: Stage, root: string): readonly (readonly [string, string])[] {
  const folder = lastOf(stage, 'WORKDIR')?.text ?? '/';
  return stage.instructions
    .filter(({ name }) => name === 'COPY')
    .map(({ text }) => {
      const [source = '', target = ''] = text.split(/\s+/).filter((word) => !word.startsWith('--'));
      return [posix.join(folder, target), join(root, source.replace(/^\/app\//, ''))] as const;
    });
}
