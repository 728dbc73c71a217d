import { allVariables } from '../../../src/config/environment.ts';
import type { Rendered } from './helm.ts';
import { type Container, isSelected, networkPoliciesOf, ofKind, type Pod, podsOf } from './objects.ts';

/** Says what breaks a policy, one line each. */
type Policy = (rendered: Rendered) => readonly string[];

type ContainerRule = (container: Container, pod: Pod) => boolean;

/** A policy that every container must keep. */
const eachContainer =
  (keeps: ContainerRule): Policy =>
  ({ objects }) =>
    podsOf(objects).flatMap((pod) =>
      pod.spec.containers.filter((one) => !keeps(one, pod)).map((one) => `${pod.name}/${one.name}`),
    );

const eachPod =
  (keeps: (pod: Pod) => boolean): Policy =>
  ({ objects }) =>
    podsOf(objects)
      .filter((pod) => !keeps(pod))
      .map(({ name }) => name);

const CREDENTIALS = /:\/\/[^/\s]*@/;
const SECRET_NAME = /(?:PASSWORD|PASSWD|SECRET|TOKEN|API_KEY|PRIVATE_KEY)$/;

const isSecretLiteral = ({ name, value = '' }: { readonly name: string; readonly value?: string }): boolean =>
  value !== '' && (allVariables.secret.includes(name) || SECRET_NAME.test(name) || CREDENTIALS.test(value));

/** What must hold of every object of the chart, whatever the values say. */
export const policies = {
  'no process runs as root': eachContainer(({ securityContext: own }, { spec: { securityContext: pod } }) => {
    const user = own?.runAsUser ?? pod?.runAsUser;
    return (own?.runAsNonRoot ?? pod?.runAsNonRoot) === true && user !== undefined && user > 0;
  }),
  'no process gains privileges': eachContainer(
    ({ securityContext }) => securityContext?.allowPrivilegeEscalation === false && securityContext.privileged !== true,
  ),
  'no process has capabilities': eachContainer(({ securityContext }) => {
    const { drop = [], add = [] } = securityContext?.capabilities ?? {};
    return drop.includes('ALL') && add.length === 0;
  }),
  'system calls are filtered': eachContainer(
    ({ securityContext }, { spec }) =>
      (securityContext?.seccompProfile ?? spec.securityContext?.seccompProfile)?.type === 'RuntimeDefault',
  ),
  'the root file system is read-only': eachContainer(
    ({ securityContext }) => securityContext?.readOnlyRootFilesystem === true,
  ),
  'no image has a moving tag': eachContainer(
    ({ image }) => image.includes('@sha256:') || /:[^/]*$/.test(image.replace(/:latest$/, '')),
  ),
  'images are named by digest, or marked': ({ text, objects }) =>
    eachContainer(
      ({ image }) => image.includes('@sha256:') || text.includes(`image: "${image}" # digest: set at release\n`),
    )({ text, objects }),
  'processor and memory are limited': eachContainer(
    ({ resources }) => resources?.limits?.cpu !== undefined && resources.limits.memory !== undefined,
  ),
  'the chart brings no passwords': ({ objects }) => ofKind(objects, 'Secret').map(({ metadata }) => metadata.name),
  'no secret is written into the environment': eachContainer(({ env }) => !env.some(isSecretLiteral)),
  'secrets are mounted read-only': eachContainer(({ volumeMounts }, { spec }) =>
    volumeMounts.every(
      ({ name, readOnly }) =>
        readOnly === true || spec.volumes.some((volume) => volume.name === name && volume.emptyDir !== undefined),
    ),
  ),
  'no page of any origin may call the API': ({ text, objects }) => [
    ...eachContainer(
      ({ env }) => !env.some(({ name, value }) => name === 'SALLYPORT_CORS_ORIGINS' && value?.includes('*')),
    )({ text, objects }),
    ...ofKind(objects, 'Ingress')
      .filter(({ metadata: { annotations = {} } }) =>
        Object.entries(annotations).some(([name, value]) => /cors-allow-origin/.test(name) && value.includes('*')),
      )
      .map(({ metadata }) => metadata.name),
  ],
  'each pod is cut off in both directions': ({ objects }) => {
    const denied = networkPoliciesOf(objects).filter(({ spec: { ingress, egress } }) => !ingress && !egress);
    return eachPod(({ labels }) =>
      denied.some(({ spec }) => spec.policyTypes.length === 2 && isSelected(labels, spec.podSelector)),
    )({ text: '', objects });
  },
  'each path through the network names its ends': ({ objects }) =>
    networkPoliciesOf(objects)
      .filter(({ spec: { ingress = [], egress = [] } }) =>
        [...ingress.map(({ from, ports }) => [from, ports]), ...egress.map(({ to, ports }) => [to, ports])].some(
          (ends) => ends.some((end) => end === undefined || end.length === 0),
        ),
      )
      .map(({ name }) => name),
  'nothing of the node is shared': eachPod(
    ({ spec }) =>
      !(spec.hostNetwork || spec.hostPID || spec.hostIPC) &&
      spec.volumes.every(({ hostPath }) => hostPath === undefined) &&
      spec.containers.every(({ ports }) => ports.every(({ hostPort }) => hostPort === undefined)),
  ),
  'no pod has a token of Kubernetes': eachPod(({ spec }) => spec.automountServiceAccountToken === false),
} as const satisfies Readonly<Record<string, Policy>>;

export type PolicyName = keyof typeof policies;

/** The policies that are broken, each with what breaks it. */
export const broken = (rendered: Rendered): Partial<Record<PolicyName, readonly string[]>> =>
  Object.fromEntries(
    Object.entries(policies)
      .map(([name, policy]) => [name, policy(rendered)] as const)
      .filter(([, breaks]) => breaks.length > 0),
  );
