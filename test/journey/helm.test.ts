import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runCommandLine } from '../../src/cli/program.ts';
import { allVariables } from '../../src/config/environment.ts';
import { eventStates } from '../../src/core/event.ts';
import { addressKind } from '../../src/net/guard/address.ts';
import { metricTable } from '../../src/ops/metric-table.ts';
import { serverSchema } from '../../src/server/settings.ts';
import { testFolder } from '../support/folder.ts';
import { endsOf, isReached } from '../support/kubernetes/addresses.ts';
import { chart, describeHelm, helm, type Rendered, render } from '../support/kubernetes/helm.ts';
import { isSelected, networkPoliciesOf, ofKind, podsOf } from '../support/kubernetes/objects.ts';
import { broken, type PolicyName, policies } from '../support/kubernetes/policies.ts';
import { droppedByKubectl, typeProblems } from '../support/kubernetes/types.ts';

const root = join(import.meta.dirname, '..', '..');
const sample = (name: string): string => join(chart, 'ci', `${name}.yaml`);
const samples = ['required', 'tls', 'mesh', 'fixed-size', 'tenants'] as const;

describeHelm('the Helm chart', () => {
  const rendered = new Map<string, Rendered>();
  const of = (name: (typeof samples)[number]): Rendered => {
    const found = rendered.get(name);
    if (found === undefined) throw new Error(`${name} was not rendered`);
    return found;
  };
  const all = (): Rendered[] => [...rendered.values()];

  beforeAll(() => {
    for (const name of samples) rendered.set(name, render(['--values', sample(name)]));
  });

  test('every sample of values is rendered here', async () => {
    expect((await readdir(join(chart, 'ci'))).sort()).toEqual(samples.map((name) => `${name}.yaml`).sort());
  });

  test('its versions are those of the product', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    const about = await readFile(join(chart, 'Chart.yaml'), 'utf8');
    expect(about).toContain(`\nversion: ${version}\n`);
    expect(about).toContain(`\nappVersion: ${version}\n`);
  });

  test.each(samples)('helm lints it strictly with the values %s', (name) => {
    expect(helm('lint', '--strict', '--quiet', chart, '--values', sample(name))).toMatchObject({ code: 0, err: '' });
  });

  test.each(samples)(
    'with the values %s, every object is of a type of Kubernetes and keeps every policy',
    async (name) => {
      const { objects } = of(name);
      expect((await Promise.all(objects.map(typeProblems))).flat()).toEqual([]);
      expect(broken(of(name))).toEqual({});
    },
  );

  test("kubectl's own types have every field of the Deployments, and drop one that they do not have", () => {
    const deployments = ofKind([...of('tls').objects, ...of('tenants').objects], 'Deployment');
    expect(deployments).toHaveLength(4);
    expect(droppedByKubectl(deployments)).toEqual([]);
    const [first] = structuredClone(deployments) as unknown as [{ spec: { template: { spec: object } } }];
    Object.assign(first.spec.template.spec, { hostNetwrk: true });
    expect(droppedByKubectl([first as never])).toEqual([expect.stringMatching(/template\/spec\/hostNetwrk$/)]);
  });

  test('an unknown field is found wherever it stands, but in maps of names', async () => {
    const maps = /^(labels|annotations|matchLabels|limits|requests|nodeSelector)$/;
    const unnoticed: string[] = [];
    let planted = 0;
    const plant = async (whole: (typeof objects)[number], at: unknown, path: readonly string[]): Promise<void> => {
      if (typeof at !== 'object' || at === null) return;
      const isMap = maps.test(path.at(-1) ?? '') || path.join('/') === 'Service/spec/selector';
      if (!Array.isArray(at) && !isMap) {
        planted += 1;
        Object.assign(at, { plantedField: 'x' });
        const problems = await typeProblems(whole);
        Reflect.deleteProperty(at, 'plantedField');
        if (!problems.some((one) => one.includes('plantedField: unknown'))) unnoticed.push(path.join('/'));
      }
      for (const [key, child] of Object.entries(at)) await plant(whole, child, [...path, key]);
    };
    const objects = structuredClone([...of('tls').objects, ...of('tenants').objects]);
    for (const one of objects) await plant(one, one, [one.kind]);
    expect(planted).toBeGreaterThan(300);
    expect(unnoticed).toEqual([]);
  });

  test('an object of a wrong type or without a required field is refused', async () => {
    const [deployment] = ofKind(structuredClone(of('required').objects), 'Deployment');
    const spec = deployment?.spec as { replicas?: unknown; selector?: unknown };
    spec.replicas = 'two';
    delete spec.selector;
    expect(await typeProblems(deployment as never)).toEqual([
      expect.stringContaining('/spec: required {"missingProperty":"selector"}'),
      expect.stringContaining('/spec/replicas: type'),
    ]);
  });

  describe('a chart that breaks one policy is found by that policy and by no other', () => {
    const pod = 'templates/_deployment.tpl';
    const inPod = (line: string): Patch => [pod, '      containers:\n', `      ${line}\n      containers:\n`];
    const inEnv = (name: string, value: string): Patch => [
      pod,
      '          env:\n',
      `          env:\n            - { name: ${name}, value: "${value}" }\n`,
    ];
    type Patch = readonly [file: string, from: string, to: string];
    const breaches: Readonly<Record<PolicyName, Patch>> = {
      'no process runs as root': [pod, 'runAsUser: {{ $values.user }}', 'runAsUser: 0'],
      'no process gains privileges': [pod, 'allowPrivilegeEscalation: false', 'allowPrivilegeEscalation: true'],
      'no process has capabilities': [pod, 'drop: [ALL]', 'drop: [ALL]\n              add: [NET_ADMIN]'],
      'system calls are filtered': [pod, 'type: RuntimeDefault', 'type: Unconfined'],
      'the root file system is read-only': [pod, 'readOnlyRootFilesystem: true', 'readOnlyRootFilesystem: false'],
      'no image has a moving tag': [pod, '{{ $values.image.tag | default $root.Chart.AppVersion }}', 'latest'],
      'images are named by digest, or marked': [pod, ' # digest: set at release', ''],
      'processor and memory are limited': [
        pod,
        '{{- toYaml $own.resources |',
        '{{- toYaml (pick $own.resources "requests") |',
      ],
      'the chart brings no passwords': [
        'templates/service-account.yaml',
        '# Without',
        'apiVersion: v1\nkind: Secret\nmetadata:\n  name: redis\nstringData:\n  password: changeme\n---\n# Without',
      ],
      'no secret is written into the environment': inEnv('SALLYPORT_REDIS_URL', 'redis://:hunter2@redis:6379'),
      'secrets are mounted read-only': [
        pod,
        'mountPath: /etc/sallyport/secrets\n              readOnly: true',
        'mountPath: /etc/sallyport/secrets',
      ],
      'no page of any origin may call the API': inEnv('SALLYPORT_CORS_ORIGINS', '*'),
      'each pod is cut off in both directions': [
        'templates/network-policies.yaml',
        'policyTypes: [Ingress, Egress]',
        'policyTypes: [Ingress]',
      ],
      'each path through the network names its ends': [
        'templates/network-policies.yaml',
        '    - from:\n        {{- toYaml .Values.networkPolicy.clients | nindent 8 }}\n      ports:',
        '    - ports:',
      ],
      'nothing of the node is shared': inPod('hostNetwork: true'),
      'no pod has a token of Kubernetes': [
        pod,
        'automountServiceAccountToken: false',
        'automountServiceAccountToken: true',
      ],
    };

    test.each(Object.keys(policies) as PolicyName[])('%s', async (name) => {
      const folder = await testFolder();
      await cp(chart, folder, { recursive: true });
      const [file, from, to] = breaches[name];
      const text = await readFile(join(folder, file), 'utf8');
      expect(text).toContain(from);
      await writeFile(join(folder, file), text.replace(from, to));
      expect(Object.keys(broken(render(['--values', sample('required')], folder)))).toEqual([name]);
    });
  });

  // One run of helm for all of them: it lists every problem.
  const refused: readonly (readonly [title: string, set: string, says: RegExp])[] = [
    ['a name that is no value', 'replicaCount=2', /at '': .*'replicaCount'.* not allowed/],
    [
      'a misspelt setting',
      'settings.SALLYPORT_LOG_LEVEL=warn',
      /at '\/settings': .*'SALLYPORT_LOG_LEVEL'.* not allowed/,
    ],
    ['the tag latest', 'image.tag=latest', /at '\/image\/tag'/],
    ['a tag in the repository', 'image.repository=registry.example.com/sallyport:1.0.0', /at '\/image\/repository'/],
    ['a digest that is none', 'image.digest=sha256:0', /at '\/image\/digest'/],
    ['any origin', 'settings.SALLYPORT_CORS_ORIGINS=*', /at '\/settings\/SALLYPORT_CORS_ORIGINS'/],
    ['trust in everybody', 'settings.SALLYPORT_TRUSTED_PROXIES=::/0', /at '\/settings\/SALLYPORT_TRUSTED_PROXIES'/],
    ['credentials in a setting', 'settings.LLM_BASE_URL=https://a:b@llm.example.com', /at '\/settings\/LLM_BASE_URL'/],
    [
      'a secret among the settings',
      'settings.SALLYPORT_ID_KEY=c2VjcmV0',
      /at '\/settings': .*'SALLYPORT_ID_KEY'.* not allowed/,
    ],
    [
      'headers with a token',
      'settings.OTEL_EXPORTER_OTLP_HEADERS=a',
      /invalid propertyName 'OTEL_EXPORTER_OTLP_HEADERS'/,
    ],
    ['a secret as text', 'secrets.SALLYPORT_SEAL_KEY=c2VjcmV0', /at '\/secrets\/SALLYPORT_SEAL_KEY'/],
    [
      'a store that may lose events',
      'settings.SALLYPORT_ALLOW_UNSAFE_REDIS=1',
      /'SALLYPORT_ALLOW_UNSAFE_REDIS'.* not allowed/,
    ],
    [
      'no limit of memory',
      'worker.resources.limits.memory=null',
      /at '\/worker\/resources\/limits': missing property 'memory'/,
    ],
    ['root', 'user=0', /at '\/user'/],
    ['Redis from anywhere', 'redis.peers[0].podSelector=null', /at '\/redis\/peers\/0/],
    [
      'trust in half of all addresses',
      'worker.settings.SALLYPORT_TRUSTED_PROXIES=0.0.0.0/1\\,128.0.0.0/1',
      /at '\/worker\/settings\/SALLYPORT_TRUSTED_PROXIES'/,
    ],
    ['an address that probes cannot reach', 'settings.HOST=127.0.0.1', /'HOST'.* not allowed/],
    [
      'Redis in half of all addresses',
      'redis.peers[2].ipBlock.cidr=128.0.0.0/1',
      /at '\/redis\/peers\/2\/ipBlock\/cidr'/,
    ],
    [
      'clients of every namespace',
      'networkPolicy.metrics[0].namespaceSelector.matchExpressions[0].operator=DoesNotExist',
      /at '\/networkPolicy\/metrics\/0\/namespaceSelector/,
    ],
    [
      'a way to the metadata of a cloud',
      'networkPolicy.extraEgress[0].to[0].ipBlock.cidr=169.254.169.254/32',
      /at '\/networkPolicy\/extraEgress\/0\/to\/0\/ipBlock\/cidr'/,
    ],
    ['Redis at any address', 'redis.peers[1].ipBlock.cidr=0.0.0.0/0', /at '\/redis\/peers\/1\/ipBlock\/cidr'/],
    ['any client', 'networkPolicy.clients=null', /at '\/networkPolicy': missing property 'clients'/],
    [
      'labels by which pods are selected',
      'worker.podLabels.app\\.kubernetes\\.io/name=x',
      /invalid propertyName 'app\.kubernetes\.io\/name'/,
    ],
    ['a public name with a wildcard', 'publicIngress.host=*.example.com', /at '\/publicIngress\/host'/],
  ];
  let problems = '';
  beforeAll(() => {
    const sets = refused.flatMap(([, set]) => ['--set', set]);
    const { code, err } = helm('template', 'gate', chart, '--values', sample('required'), ...sets);
    expect(code).toBe(1);
    problems = err;
  });

  test.each(refused)('the values may not say %s', (_, _set, says) => {
    expect(problems).toMatch(says);
    expect(problems).not.toContain('c2VjcmV0');
  });

  test('what it needs is named when it is missing', () => {
    const { code, err } = helm('template', 'gate', chart);
    expect(code).toBe(1);
    for (const name of [
      'SALLYPORT_REDIS_URL',
      'SALLYPORT_SEAL_KEY',
      'SALLYPORT_ID_KEY',
      '/image/repository',
      '/redis/peers',
    ]) {
      expect(err).toContain(name);
    }
    const monitor = helm(
      'template',
      'gate',
      chart,
      '--values',
      sample('required'),
      '--set',
      'serviceMonitor.enabled=true',
    );
    expect(monitor.err).toContain('secrets.SALLYPORT_METRICS_TOKEN: is required');
  });

  test('more pods at least than at most are refused, which a cluster would do later', () => {
    for (const role of ['ingress', 'worker']) {
      const set = `${role}.autoscaling.minReplicas=99`;
      const { code, err } = helm('template', 'gate', chart, '--values', sample('required'), '--set', set);
      expect([code, err]).toEqual([1, expect.stringContaining(`${role}.autoscaling.minReplicas: must not be more`)]);
    }
  });

  test('ingress-nginx is told to speak TLS to pods that take nothing else, and the monitor has the name of the alerts', () => {
    const open = 'publicIngress.enabled=true,publicIngress.host=gate.example.com,publicIngress.tlsSecret=gate';
    const annotationsOf = (name: string) =>
      render(['--values', sample(name), '--set', `${open},publicIngress.className=nginx`]).objects.find(
        ({ kind }) => kind === 'Ingress',
      )?.metadata.annotations ?? {};
    const protocol = 'nginx.ingress.kubernetes.io/backend-protocol';
    expect(annotationsOf('tls')).toMatchObject({ [protocol]: 'HTTPS' });
    expect(annotationsOf('required')).not.toHaveProperty([protocol]);
    const monitor = render(['--values', sample('tls')]).objects.find(({ kind }) => kind === 'ServiceMonitor');
    const { jobLabel, selector } = (monitor as { spec?: Record<string, never> } | undefined)?.spec ?? {};
    const { matchLabels = {} } = (selector ?? {}) as { matchLabels?: Record<string, string> };
    expect(matchLabels[String(jobLabel)]).toMatch(/^sallyport/);
  });

  describe('what it says to the product', () => {
    test('each variable is a setting, each secret is a file that is mounted, and commands are roles', async () => {
      const traces = await readFile(join(root, 'docs', 'traces.md'), 'utf8');
      const help: string[] = [];
      const io = { print: (text: string) => void help.push(text), complain: () => {}, environment: {} };
      const noRoles = async () => Promise.reject(new Error('no role is started'));
      await runCommandLine(['--help'], io as never, noRoles, '0');
      for (const pod of all().flatMap(({ objects }) => podsOf(objects))) {
        for (const { args, env, volumeMounts } of pod.spec.containers) {
          expect(args).toEqual([expect.stringMatching(/^(ingress|worker)$/)]);
          expect(help.join('\n')).toMatch(new RegExp(`^  ${args[0]} `, 'm'));
          expect(new Set(env.map(({ name }) => name)).size).toBe(env.length);
          for (const { name, value = '' } of env) {
            const setting = name.replace(/_FILE$/, '');
            const isFile = name !== setting;
            if (isFile) expect(allVariables.secret).toContain(setting);
            else if (name.startsWith('OTEL_')) expect(traces).toContain(`\`${name}\``);
            // The other two are not settings: one names the file of settings, one is Node's own.
            else
              expect([...Object.keys(allVariables.paths), 'SALLYPORT_CONFIG', 'NODE_EXTRA_CA_CERTS']).toContain(name);
            if (value.startsWith('/')) {
              const mount = volumeMounts.find(({ mountPath }) => value.startsWith(`${mountPath}/`));
              expect(mount, name).toBeDefined();
              const { projected } = pod.spec.volumes.find((volume) => volume.name === mount?.name) ?? {};
              const paths = projected?.sources.flatMap(({ secret: { items } }) => items.map(({ path }) => path));
              if (isFile) expect(paths).toContain(value.slice(`${mount?.mountPath}/`.length));
            }
          }
        }
      }
    });

    test('port, probes and services agree with each other and with the default of the product', () => {
      const { port } = serverSchema.parse({});
      for (const { objects } of all()) {
        for (const { spec, labels } of podsOf(objects)) {
          const [container] = spec.containers;
          const name = container?.ports[0]?.name;
          expect(container?.env).toContainEqual({ name: 'PORT', value: String(port) });
          expect(container?.ports).toEqual([{ name, containerPort: port }]);
          const scheme = name?.toUpperCase();
          expect(container?.livenessProbe.httpGet).toEqual({ path: '/health', port: name, scheme });
          expect(container?.startupProbe.httpGet).toEqual({ path: '/health', port: name, scheme });
          expect(container?.readinessProbe.httpGet).toEqual({ path: '/ready', port: name, scheme });
          const services = ofKind(objects, 'Service').map((one) => one.spec as ServiceSpec);
          const own = services.filter(({ selector }) => isSelected(labels, { matchLabels: selector }));
          expect(own.map(({ ports }) => ports.map(({ targetPort }) => targetPort))).toEqual([[name]]);
        }
      }
    });

    test('Kubernetes waits longer than the product takes to end', () => {
      for (const [name, seconds] of [
        ['required', 25],
        ['fixed-size', 60],
      ] as const) {
        for (const { spec } of podsOf(of(name).objects)) {
          const [container] = spec.containers;
          const grace = container?.env.find((one) => one.name === 'SALLYPORT_GRACE')?.value;
          expect(grace).toBe(`${seconds}s`);
          expect(serverSchema.parse({ grace }).grace).toBe(seconds * 1000);
          const wait = container?.lifecycle?.preStop.sleep.seconds ?? 0;
          expect(spec.terminationGracePeriodSeconds).toBe(wait + seconds + 5);
        }
      }
      // An ingress stops listening at once, so Services must have forgotten it before.
      expect(podsOf(of('required').objects).map(({ spec }) => spec.terminationGracePeriodSeconds)).toEqual([35, 30]);
    });

    test('workers follow a metric that the product has, with a state that it has', () => {
      const [, worker] = ofKind(of('required').objects, 'HorizontalPodAutoscaler').map(
        ({ spec }) => spec as ScalerSpec,
      );
      const { name, selector } = worker?.metrics[0]?.external?.metric ?? {};
      expect(name).toBe('sallyport_queue_events');
      expect(metricTable.sallyport_queue_events.labels).toEqual(['state']);
      expect(eventStates).toContain(selector?.matchLabels.state);
      expect(ofKind(of('fixed-size').objects, 'HorizontalPodAutoscaler')).toEqual([]);
    });
  });

  test('egress over 443 leads to public addresses only, as the product itself judges them', () => {
    const [{ spec } = { spec: undefined }] = networkPoliciesOf(of('required').objects).filter(({ name }) =>
      name.endsWith('-egress'),
    );
    const https = spec?.egress?.find(({ ports }) => ports?.some(({ port }) => port === 443))?.to ?? [];
    const edges = https.flatMap(({ ipBlock }) => (ipBlock?.except ?? []).flatMap(endsOf));
    // One address of each /12 of IPv4, of many blocks of IPv6, both ends of each range and their neighbours, and metadata services.
    const addresses = [
      ...edges,
      ...Array.from({ length: 4096 }, (_, i) => `${i >> 4}.${(i & 15) << 4}.7.9`),
      ...Array.from({ length: 4096 }, (_, i) => `${(i << 4).toString(16)}::7`),
      ...['169.254.169.254', '168.63.129.16', '100.100.100.200', '192.0.0.192', 'fd00:ec2::254', 'fe80::1', '::1'],
    ];
    expect(edges.length).toBeGreaterThan(80);
    const differing = addresses.filter((one) => isReached(one, https) !== (addressKind(one) === 'public'));
    expect(differing).toEqual([]);
  });

  test('a rules file is taken over as it is', async () => {
    const file = join(await testFolder(), 'rules.yml');
    const expr = 'sum(sallyport_queue_events{state="queued"}) > 100';
    const annotations = { summary: '{{ $labels.namespace }} has {{ $value }} events' };
    const groups = [{ name: 'sallyport', rules: [{ alert: 'SallyportQueueLong', expr, for: '10m', annotations }] }];
    await writeFile(file, JSON.stringify({ groups }));
    const { objects } = render(['--values', sample('required'), '--set-file', `prometheusRule.rules=${file}`]);
    const [rule] = ofKind(objects, 'PrometheusRule');
    expect(rule?.spec).toEqual({ groups });
    expect(await typeProblems(rule as never)).toEqual([]);
  });
});

interface ServiceSpec {
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly { readonly targetPort: string }[];
}

interface ScalerSpec {
  readonly metrics: readonly {
    readonly external?: {
      readonly metric: {
        readonly name: string;
        readonly selector: { readonly matchLabels: { readonly state: string } };
      };
    };
  }[];
}
