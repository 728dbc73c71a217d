import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { describeUnless } from '../needs.ts';
import type { KubernetesObject } from './objects.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const programs = join(root, 'test', 'tools', 'node_modules', '.programs');
const helmProgram = join(programs, 'helm', 'helm');

/** The chart as it is delivered. */
export const chart = join(root, 'deploy', 'helm', 'sallyport');

/** A `describe` for suites that start helm or kubectl. */
export const describeHelm = describeUnless(
  existsSync(helmProgram) ? null : 'helm and kubectl (Linux on x64): `npm run setup` installs them',
);

export interface Output {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Neither program finds a cluster, or anything of the person who runs the tests. */
function run(program: string, args: readonly string[], input?: string): Output {
  const home = join(tmpdir(), 'sallyport-no-helm-home');
  const env = {
    HOME: home,
    KUBECONFIG: '/dev/null',
    HELM_CACHE_HOME: home,
    HELM_CONFIG_HOME: home,
    HELM_DATA_HOME: home,
  };
  const { status, stdout, stderr } = spawnSync(program, args, { env, input: input ?? '', encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

export const helm = (...args: readonly string[]): Output => run(helmProgram, args);

export const kubectl = (args: readonly string[], input: string): Output =>
  run(join(programs, 'kubectl', 'kubectl'), args, input);

/** What a chart comes to with some values. */
export interface Rendered {
  /** With its comments. */
  readonly text: string;
  readonly objects: readonly KubernetesObject[];
}

/**
 * Renders as `helm install gate --namespace sallyport` would.
 * @throws Error with what helm says when it refuses
 */
export function render(args: readonly string[], folder = chart): Rendered {
  const { code, out, err } = helm('template', 'gate', folder, '--namespace', 'sallyport', ...args);
  if (code !== 0) throw new Error(err);
  // Kubernetes reads YAML 1.1, in which `yes` and `on` are true and 010 is eight.
  const documents = parseAllDocuments(out, { version: '1.1' });
  const objects = documents.map((one) => {
    if (one.errors.length > 0) throw one.errors[0];
    return one.toJS() as KubernetesObject | null;
  });
  return { text: out, objects: objects.filter((one) => one !== null) };
}
