import { type Document, isMap, isScalar, type Pair, type ParsedNode, parseDocument } from 'yaml';

/** A compose file as YAML has it, with the comments. */
export type ComposeDocument = Document.Parsed<ParsedNode>;

export const parseCompose = (text: string): ComposeDocument => parseDocument(text, { merge: true });

interface Service {
  readonly image?: string;
  readonly build?: unknown;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly privileged?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly network_mode?: string;
  readonly networks?: readonly string[] | Readonly<Record<string, unknown>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: unknown;
  readonly mem_limit?: string;
  readonly cpus?: number;
  readonly pids_limit?: number;
}

interface ComposeTree {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>;
  readonly secrets: Readonly<Record<string, { readonly file?: string }>>;
}

const PINNED = /^[^\s:@]+:(?!latest)[^\s:@]+@sha256:[0-9a-f]{64}$/;
const TAGGED = /^[^\s:@]+:(?!latest$)[^\s:@]+$/;

/** Capabilities that a service keeps. The file of Caddy's image cannot be started without its own. */
const KEPT: Readonly<Record<string, readonly string[]>> = { proxy: ['NET_BIND_SERVICE'] };

/** Networks that lead out of the machine, and the services that need them. */
const OUTWARD: Readonly<Record<string, readonly string[]>> = { public: ['proxy'], out: ['ingress', 'worker'] };

/** Variables whose values must come from files. */
const SECRET = /(SECRET|TOKEN|PASSWORD|_KEY|REDIS_URL)S?$/;

/** What is wrong with the deployment, one sentence each; empty if nothing is. */
export function composeProblems(document: ComposeDocument): readonly string[] {
  const tree = document.toJS() as ComposeTree;
  return [
    ...Object.entries(tree.services).flatMap(([name, service]) => [
      ...imageProblems(name, service, commentOf(document, name)),
      ...rightsProblems(name, service),
      ...reachProblems(name, service),
      ...contentProblems(name, service),
    ]),
    ...Object.entries(tree.networks)
      .filter(([name, network]) => network?.internal !== true && OUTWARD[name] === undefined)
      .map(([name]) => `network ${name}: is not internal`),
    ...Object.entries(tree.secrets)
      .filter(([, { file }]) => file === undefined)
      .map(([name]) => `secret ${name}: is not a file`),
  ];
}

/** What stands behind the image in its line, with what it was merged from left out. */
function commentOf({ contents }: ComposeDocument, name: string): string {
  const service = isMap(contents) ? contents.getIn(['services', name], true) : null;
  if (!isMap(service)) return '';
  const image = service.items.find(({ key }: Pair) => isScalar(key) && key.value === 'image')?.value;
  return (isScalar(image) && image.comment) || '';
}

function imageProblems(name: string, { image = '', build }: Service, comment: string): readonly string[] {
  if (build !== undefined || PINNED.test(image)) return [];
  const isMarked = TAGGED.test(image) && comment.trim() === 'digest: set at release';
  return isMarked ? [] : [`${name}: the image has neither a digest nor a tag with its mark`];
}

function rightsProblems(name: string, service: Service): readonly string[] {
  const added = (service.cap_add ?? []).filter((capability) => !KEPT[name]?.includes(capability));
  const isUser = service.user?.startsWith('${DEPLOY_UID:?') || /^[1-9]\d*:[1-9]\d*$/.test(service.user ?? '');
  return [
    ...(isUser ? [] : [`${name}: may run as root`]),
    ...(service.read_only === true ? [] : [`${name}: the root file system can be written`]),
    ...(service.privileged === true ? [`${name}: is privileged`] : []),
    ...(service.cap_drop?.includes('ALL') ? [] : [`${name}: keeps capabilities`]),
    ...added.map((capability) => `${name}: adds ${capability}`),
    ...(service.security_opt?.includes('no-new-privileges:true') ? [] : [`${name}: can gain privileges`]),
    ...(service.volumes ?? []).filter((volume) => volume.includes('docker.sock')).map(() => `${name}: holds Docker`),
  ];
}

function reachProblems(name: string, service: Service): readonly string[] {
  const { networks = [], ports = [] } = service;
  const joined = Array.isArray(networks) ? (networks as readonly string[]) : Object.keys(networks);
  return [
    ...(name === 'proxy' ? [] : ports.map((port) => `${name}: publishes ${port}`)),
    ...(service.network_mode === undefined ? [] : [`${name}: is not in a network of its own`]),
    ...(joined.length === 0 ? [`${name}: is in the default network`] : []),
    ...joined.filter((network) => OUTWARD[network]?.includes(name) === false).map((to) => `${name}: joins ${to}`),
  ];
}

function contentProblems(name: string, service: Service): readonly string[] {
  const inline = Object.keys(service.environment ?? {}).filter((variable) => SECRET.test(variable));
  const limits = ['mem_limit', 'cpus', 'pids_limit'] as const;
  return [
    ...inline.map((variable) => `${name}: ${variable} is not given by a file`),
    ...limits.filter((limit) => service[limit] === undefined).map((limit) => `${name}: has no ${limit}`),
    ...(service.healthcheck === undefined ? [`${name}: has no health check`] : []),
  ];
}
