/** As much of Kubernetes' objects as the tests of the chart read. `types.ts` checks the rest. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: unknown;
  readonly data?: Readonly<Record<string, string>>;
}

export interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string; readonly scheme: string };
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number; readonly hostPort?: number }[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly securityContext?: {
    readonly allowPrivilegeEscalation?: boolean;
    readonly privileged?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly runAsUser?: number;
    readonly runAsNonRoot?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
    readonly seccompProfile?: { readonly type: string };
  };
  readonly resources?: { readonly limits?: Readonly<Record<string, string>> };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
}

export interface SecretSource {
  readonly name: string;
  readonly items: readonly { readonly key: string; readonly path: string }[];
}

export interface Volume {
  readonly name: string;
  readonly projected?: { readonly sources: readonly { readonly secret: SecretSource }[] };
  readonly secret?: { readonly secretName: string };
  readonly configMap?: { readonly name: string };
  readonly hostPath?: object;
  readonly emptyDir?: object;
}

export interface PodSpec {
  readonly automountServiceAccountToken?: boolean;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext?: Container['securityContext'];
  readonly containers: readonly Container[];
  readonly volumes: readonly Volume[];
}

type Labels = Readonly<Record<string, string>>;

export interface Pod {
  /** Of the object that makes it. */
  readonly name: string;
  readonly labels: Labels;
  readonly spec: PodSpec;
}

interface PeerRules {
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
  readonly ports?: readonly { readonly port: number | string }[];
}

export interface Peer {
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

export interface NetworkPolicySpec {
  readonly podSelector: { readonly matchLabels?: Labels };
  readonly policyTypes: readonly string[];
  readonly ingress?: readonly PeerRules[];
  readonly egress?: readonly PeerRules[];
}

export const ofKind = (objects: readonly KubernetesObject[], kind: string): KubernetesObject[] =>
  objects.filter((one) => one.kind === kind);

/** The pods that the Deployments make. */
export const podsOf = (objects: readonly KubernetesObject[]): Pod[] =>
  ofKind(objects, 'Deployment').map(({ metadata, spec }) => {
    const { template } = spec as { template: { metadata: { labels: Labels }; spec: PodSpec } };
    return { name: metadata.name, labels: template.metadata.labels, spec: template.spec };
  });

export const networkPoliciesOf = (objects: readonly KubernetesObject[]) =>
  ofKind(objects, 'NetworkPolicy').map(({ metadata, spec }) => ({
    name: metadata.name,
    spec: spec as NetworkPolicySpec,
  }));

export const isSelected = (labels: Labels, { matchLabels = {} }: { readonly matchLabels?: Labels }): boolean =>
  Object.entries(matchLabels).every(([name, value]) => labels[name] === value);
