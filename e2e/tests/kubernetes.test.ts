import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { app, container, deploy, namespace } from '../support/app.js';
import { request } from '../support/gateway.js';
import { kubernetesMinor } from '../support/kubernetes.js';
import { podsOf, proxyMetrics, sum } from '../support/metrics.js';
import { apply, eventually, get, kubectl, kubectlRefused } from '../support/run.js';

/** What recent versions of Kubernetes brought and a mesh meets; docs/kubernetes-versions.md is the table. */
const NS = 'e2e-kubernetes';
const CLIENT = 'deploy/client';

type Amounts = Readonly<Record<string, string>>;

interface ContainerStatus {
  readonly name: string;
  readonly restartCount: number;
  readonly resources?: { readonly requests?: Amounts };
}

interface Pod {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly initContainers: readonly {
      readonly name: string;
      readonly args?: readonly string[];
      readonly env?: readonly { readonly name: string }[];
      readonly resources?: object;
    }[];
    readonly volumes: readonly { readonly name: string; readonly projected?: object }[];
  };
  readonly status: {
    readonly resources?: { readonly limits?: Amounts };
    readonly containerStatuses: readonly ContainerStatus[];
    readonly initContainerStatuses: readonly ContainerStatus[];
  };
}

const minor = await kubernetesMinor();

/** For what is there, without a feature gate, from this minor version on. */
const since = (from: number): typeof describe.skip => (minor >= from ? describe : describe.skip);

interface Nodes {
  readonly items: readonly {
    readonly status: {
      readonly runtimeHandlers?: readonly { readonly features?: { readonly userNamespaces?: boolean } }[];
    };
  }[];
}

/** containerd 2 and a runc that maps the owners of files; Debian 12 has neither. */
const hasUserNamespaces = (await get<Nodes>('nodes')).items.every(({ status }) =>
  status.runtimeHandlers?.some(({ features }) => features?.userNamespaces === true),
);

const podNamed = (name: string): Promise<Pod> => get<Pod>('pod', name, '-n', NS);
const waitReady = (name: string): Promise<string> =>
  kubectl('wait', '-n', NS, `pod/${name}`, '--for=condition=Ready', '--timeout=120s');

function pod(name: string, spec: object = {}, more: Record<string, unknown> = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NS, labels: { app: name } },
    spec: {
      terminationGracePeriodSeconds: 2,
      containers: [container({ name, container: more })],
      ...spec,
    },
  };
}

const service = (name: string, spec: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: NS },
  spec: { selector: { app: 'server' }, ports: [{ name: 'http', port: 8080 }], ...spec },
});

/** Asks until the answer comes through both proxies, under the Service's name. */
async function answersInTheMesh(host: string): Promise<void> {
  const [client = ''] = await podsOf(NS, 'app=client');
  const labels = { direction: 'outbound', destination: `${NS}/${host}:8080`, tls: 'mutual' };
  const count = async (): Promise<number> =>
    sum(await proxyMetrics(NS, client), 'weft_requests_total', labels);
  const before = await count();
  await eventually(`${host} answers in the mesh`, async () => {
    const { status } = await request(NS, CLIENT, `http://${host}:8080/`);
    return status === 200 && (await count()) > before;
  });
}

beforeAll(async () => {
  await apply(namespace(NS));
  await deploy({ namespace: NS, name: 'server' }, { namespace: NS, name: 'client' });
});

afterAll(async () => {
  await kubectl('delete', 'namespace', NS, '--wait=false', '--ignore-not-found');
});

since(36)('a MutatingAdmissionPolicy beside the webhook', () => {
  /** It runs before webhooks, and once more when one of them has changed the pod. */
  const policy = (name: string, mutation: string): object[] => [
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingAdmissionPolicy',
      metadata: { name: `e2e-${name}` },
      spec: {
        failurePolicy: 'Fail',
        reinvocationPolicy: 'IfNeeded',
        matchConstraints: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': NS } },
          objectSelector: { matchLabels: { app: name } },
          resourceRules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] },
          ],
        },
        mutations: [
          { patchType: 'ApplyConfiguration', applyConfiguration: { expression: `Object{${mutation}}` } },
        ],
      },
    },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingAdmissionPolicyBinding',
      metadata: { name: `e2e-${name}` },
      spec: { policyName: `e2e-${name}` },
    },
  ];

  afterAll(async () => {
    for (const kind of ['mutatingadmissionpolicybinding', 'mutatingadmissionpolicy']) {
      await kubectl('delete', kind, 'e2e-annotated', 'e2e-forged', '--ignore-not-found');
    }
  });

  const proxies = (fields: string): string =>
    `spec: Object.spec{initContainers: object.spec.?initContainers.orValue([]).map(c,
      Object.spec.initContainers{name: c.name, ${fields}})}`;

  test('what it says before the webhook counts, and what it adds to the proxy afterwards stays', async () => {
    await apply(
      policy(
        'annotated',
        `metadata: Object.metadata{annotations: {"weft.dev/skip-outbound-ports": "7000"}},
         ${proxies('env: [Object.spec.initContainers.env{name: "ADDED", value: "yes"}]')}`,
      ),
    );
    const made = await eventually('the policy acts', async () => {
      await kubectl('delete', 'pod', 'annotated', '-n', NS, '--ignore-not-found', '--force');
      await apply(pod('annotated'));
      const { metadata } = await podNamed('annotated');
      return metadata.annotations?.['weft.dev/skip-outbound-ports'] === undefined
        ? undefined
        : podNamed('annotated');
    });
    const [init, proxy] = made.spec.initContainers;
    expect(init?.args).toEqual(expect.arrayContaining(['--skip-outbound-ports', '7000']));
    expect([init?.name, proxy?.name]).toEqual(['weft-init', 'weft-proxy']);
    expect(proxy?.env?.map(({ name }) => name)).toContain('ADDED');
    await waitReady('annotated');
  });

  test('a proxy that it makes another one of is refused', async () => {
    await apply(policy('forged', proxies('image: "docker.io/weft/testapp:dev"')));
    const refusal = await eventually('the policy acts', async () => {
      await kubectl('delete', 'pod', 'forged', '-n', NS, '--ignore-not-found', '--force');
      const told = await kubectlRefused(['apply', '-f', '-'], JSON.stringify(pod('forged')));
      return told.includes('weft') ? told : undefined;
    });
    expect(refusal).toContain('image of container weft-init is not what Weft writes');
  });
});

since(35)('resources that change in place', () => {
  const resize = (name: string, containers: string, cpu: string, list: string): Promise<string> =>
    kubectl(
      ...['patch', 'pod', name, '-n', NS, '--subresource', 'resize', '--patch'],
      JSON.stringify({ spec: { [list]: [{ name: containers, resources: { requests: { cpu } } }] } }),
    );

  test.each([
    ['the application', 'app', 'containers', 'containerStatuses'],
    ['the proxy', 'weft-proxy', 'initContainers', 'initContainerStatuses'],
  ] as const)('of %s: nothing restarts', async (_title, name, list, statuses) => {
    const [server = ''] = await podsOf(NS, 'app=server');
    await resize(server, name, '70m', list);
    const status = await eventually('the kubelet has done it', async () => {
      const { status: all } = await podNamed(server);
      const own = all[statuses].find((one) => one.name === name);
      return own?.resources?.requests?.['cpu'] === '70m' ? own : undefined;
    });
    expect(status.restartCount).toBe(0);
    await answersInTheMesh('server');
  });
});

since(34)('resources of the pod as a whole', () => {
  test('the proxy takes part in them', async () => {
    const resources = { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '256Mi' } };
    await apply(pod('bounded', { resources }, { resources: { requests: { cpu: '90m', memory: '60Mi' } } }));
    await waitReady('bounded');
    const { spec } = await podNamed('bounded');
    const proxy = spec.initContainers.find(({ name }) => name === 'weft-proxy');
    expect(proxy?.resources).toEqual({});
  });
});

since(36)('resize of the resources of the pod as a whole', () => {
  test('the node takes it, nothing restarts, and the pod stays in the mesh', async () => {
    await deploy({
      namespace: NS,
      name: 'grown',
      podSpec: { resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '256Mi' } } },
    });
    await answersInTheMesh('grown');
    const [name = ''] = await podsOf(NS, 'app=grown');
    const more = { spec: { resources: { requests: { cpu: '110m' }, limits: { memory: '288Mi' } } } };
    await kubectl('patch', 'pod', name, '-n', NS, '--subresource', 'resize', '--patch', JSON.stringify(more));
    const { status } = await eventually('the kubelet has done it', async () => {
      const grown = await podNamed(name);
      return grown.status.resources?.limits?.['memory'] === '288Mi' ? grown : undefined;
    });
    const all = [...status.containerStatuses, ...status.initContainerStatuses];
    expect(all.map(({ restartCount }) => restartCount)).toEqual([0, 0, 0]);
    await answersInTheMesh('grown');
  });
});

since(35)('restart rules of a container', () => {
  test('only the application restarts, and the pod has the mesh as before', async () => {
    const rules = { action: 'Restart', exitCodes: { operator: 'In', values: [42] } };
    await deploy({
      namespace: NS,
      name: 'ruled',
      container: { restartPolicy: 'Never', restartPolicyRules: [rules] },
    });
    await answersInTheMesh('ruled');
    const [name = ''] = await podsOf(NS, 'app=ruled');
    const post = ['-method', 'POST'];
    expect((await request(NS, CLIENT, 'http://ruled:8080/exit/42', ...post)).status).toBe(200);
    const restarts = async (): Promise<object> => {
      const { status } = await podNamed(name);
      const all = [...status.containerStatuses, ...status.initContainerStatuses];
      return Object.fromEntries(all.map((one) => [one.name, one.restartCount]));
    };
    await eventually('the application has restarted', async () => {
      const { status } = await podNamed(name);
      return status.containerStatuses[0]?.restartCount === 1;
    });
    await kubectl('wait', '-n', NS, `pod/${name}`, '--for=condition=Ready', '--timeout=60s');
    await answersInTheMesh('ruled');
    expect(await restarts()).toEqual({ app: 1, 'weft-init': 0, 'weft-proxy': 0 });
  });
});

since(36)('all containers restart', () => {
  test('the pod has the mesh again', async () => {
    const rules = { action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } };
    await deploy({
      namespace: NS,
      name: 'restarting',
      container: { restartPolicy: 'Never', restartPolicyRules: [rules] },
    });
    await answersInTheMesh('restarting');
    const [name = ''] = await podsOf(NS, 'app=restarting');
    const post = ['-method', 'POST'];
    expect((await request(NS, CLIENT, 'http://restarting:8080/exit/42', ...post)).status).toBe(200);
    await eventually('all have restarted', async () => {
      const { status } = await podNamed(name);
      const all = [...status.containerStatuses, ...status.initContainerStatuses];
      return all.length === 3 && all.every(({ restartCount }) => restartCount === 1);
    });
    await kubectl('wait', '-n', NS, `pod/${name}`, '--for=condition=Ready', '--timeout=60s');
    await answersInTheMesh('restarting');
  });
});

(hasUserNamespaces ? describe : describe.skip)('a pod in a user namespace of its own', () => {
  test('has the mesh', async () => {
    await deploy({ namespace: NS, name: 'mapped', podSpec: { hostUsers: false } });
    await answersInTheMesh('mapped');
    const [name = ''] = await podsOf(NS, 'app=mapped');
    const answer = await request(NS, `pod/${name}`, 'http://server:8080/');
    expect(answer.status).toBe(200);
  });
});

since(33)('a ServiceCIDR', () => {
  afterAll(() => kubectl('delete', 'servicecidr', 'e2e', '--ignore-not-found', '--wait=false'));

  test('Services of a range that was added later are in the mesh', async () => {
    const cidr = { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name: 'e2e' } };
    await apply({ ...cidr, spec: { cidrs: ['10.111.0.0/28'] } });
    await eventually('the range is ready', async () => {
      await apply(service('ranged', { clusterIP: '10.111.0.5' }));
      return true;
    });
    await answersInTheMesh('ranged');
  });
});

since(37)('names', () => {
  test('a Service whose name begins with a digit', async () => {
    await apply(service('1st-server'));
    await answersInTheMesh('1st-server');
  });

  test('a pod whose host name is not its own', async () => {
    await apply([
      pod('overridden', { hostnameOverride: 'db.example' }),
      ...app({ namespace: NS, name: 'none', replicas: 0 }),
    ]);
    await waitReady('overridden');
    await apply(service('overridden', { selector: { app: 'overridden' } }));
    await answersInTheMesh('overridden');
  });

  test('a pod with credentials from another signer and a ClusterTrustBundle keeps them beside the mesh', async () => {
    const sources = [
      {
        clusterTrustBundle: {
          signerName: 'example.com/none',
          labelSelector: {},
          optional: true,
          path: 'roots.pem',
        },
      },
      {
        podCertificate: {
          signerName: 'example.com/none',
          keyType: 'ECDSAP256',
          credentialBundlePath: 'own.pem',
        },
      },
    ];
    const own = { name: 'own', projected: { sources } };
    const written = JSON.stringify(pod('certified', { volumes: [own] }));
    await apply(written, '--dry-run=server');
    await apply(pod('trusting', { volumes: [{ name: 'own', projected: { sources: sources.slice(0, 1) } }] }));
    await waitReady('trusting');
    const { spec } = await podNamed('trusting');
    expect(spec.volumes.find(({ name }) => name === 'own')?.projected).toMatchObject({
      sources: sources.slice(0, 1),
    });
  });
});
