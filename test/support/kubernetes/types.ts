import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { kubectl } from './helm.ts';
import type { KubernetesObject } from './objects.ts';

const modules = join(import.meta.dirname, '..', '..', 'tools', 'node_modules');
const core = (name: string): string => `kubernetes-models/_schemas/IoK8sApi${name}.js`;
const operator = (name: string): string =>
  `@kubernetes-models/prometheus-operator/_schemas/ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1${name}.js`;

/** Where the validator of a kind is. */
const models: Readonly<Record<string, string | undefined>> = {
  'apps/v1 Deployment': core('AppsV1Deployment'),
  'autoscaling/v2 HorizontalPodAutoscaler': core('AutoscalingV2HorizontalPodAutoscaler'),
  'monitoring.coreos.com/v1 PrometheusRule': operator('PrometheusRule'),
  'monitoring.coreos.com/v1 ServiceMonitor': operator('ServiceMonitor'),
  'networking.k8s.io/v1 Ingress': core('NetworkingV1Ingress'),
  'networking.k8s.io/v1 NetworkPolicy': core('NetworkingV1NetworkPolicy'),
  'policy/v1 PodDisruptionBudget': core('PolicyV1PodDisruptionBudget'),
  'v1 Service': core('CoreV1Service'),
  'v1 ServiceAccount': core('CoreV1ServiceAccount'),
};

interface Validator {
  (data: unknown): boolean;
  readonly errors?: readonly { readonly instancePath: string; readonly keyword: string; readonly params: object }[];
}

/**
 * What Kubernetes' types have against an object: wrong types, missing fields, and fields that they do not have. The
 * validators ignore the last, but they read each field they know, and all keys of a map such as labels; so a field that was
 * never read is unknown.
 */
export async function typeProblems(object: KubernetesObject): Promise<string[]> {
  const kind = `${object.apiVersion} ${object.kind}`;
  const model = models[kind];
  if (model === undefined) return [`${kind}: there is no model of it`];
  const { validate } = (await import(pathToFileURL(join(modules, model)).href)) as { validate: Validator };
  const read = new Set<string>();
  const isValid = validate(watched(object, '', read));
  const wrong = isValid ? [] : (validate.errors ?? []);
  return [
    ...wrong.map((error) => `${error.instancePath}: ${error.keyword} ${JSON.stringify(error.params)}`),
    ...unread(object, '', read),
  ].map((problem) => `${object.kind} ${object.metadata.name}${problem}`);
}

/** The value, noting the path of each field that is read. */
function watched(value: unknown, path: string, read: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, key) {
      const at = `${path}/${String(key)}`;
      read.add(at);
      return watched(Reflect.get(target, key), at, read);
    },
    ownKeys(target) {
      for (const key of Reflect.ownKeys(target)) read.add(`${path}/${String(key)}`);
      return Reflect.ownKeys(target);
    },
  });
}

function unread(value: unknown, path: string, read: ReadonlySet<string>): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const at = `${path}/${key}`;
    return read.has(at) ? unread(child, at, read) : [`${at}: unknown field`];
  });
}

/**
 * What kubectl's own types of Go drop of Deployments, a second opinion: `set serviceaccount --local` reads them into these
 * types and writes them again, without a cluster. It takes objects with pods only, and none of its commands validates offline.
 */
export function droppedByKubectl(deployments: readonly KubernetesObject[]): string[] {
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: deployments });
  const { code, out, err } = kubectl(['set', 'serviceaccount', '--local', '-f', '-', '-o', 'json', 'unchanged'], list);
  if (code !== 0) throw new Error(err);
  // One object after the other, each with indented lines.
  const kept = out.split(/^(?=\{)/m).map((text) => JSON.parse(text) as KubernetesObject);
  return deployments.flatMap((one, at) => dropped(one, kept[at], `${one.kind} ${one.metadata.name}`));
}

function dropped(given: unknown, kept: unknown, path: string): string[] {
  if (kept === undefined) return [path];
  if (typeof given !== 'object' || given === null) return [];
  return Object.entries(given).flatMap(([key, child]) =>
    dropped(child, Reflect.get(Object(kept), key), `${path}/${key}`),
  );
}
