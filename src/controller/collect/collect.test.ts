import { expect, test } from '@jest/globals';
import { Resources } from '../../kube/index.js';
import { meshContainers } from '../../testing/index.js';
import {
  hasEnded,
  hasOurProxy,
  isMeshed,
  readPolicy,
  toEndpointSet,
  toNamespace,
  toService,
  toWorkload,
} from './index.js';
import { Kinds } from '../kinds/index.js';

const place = { cluster: 'default', network: 'default', zone: 'zone-a' };

function rawPod(spec: object = {}, status: object = {}): Parameters<typeof Resources.pod.keep>[0] {
  return {
    metadata: {
      name: 'reviews-1',
      namespace: 'shop',
      uid: 'pod-1',
      labels: { app: 'reviews', version: 'v1' },
      annotations: {
        'weft.dev/opaque-ports': '3306, 25',
        'weft.dev/skip-inbound-ports': '9000,x,0',
        'other.io/x': 'y',
      },
    },
    spec: { serviceAccountName: 'reviews', nodeName: 'node-1', containers: [], ...spec },
    status: { phase: 'Running', podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }], ...status },
  };
}

test('a pod becomes a workload with its place, both addresses and what its annotations say', () => {
  const containers = [
    { name: 'app', ports: [{ name: 'http', containerPort: 8080 }, { containerPort: 9090 }] },
  ];
  const status = { conditions: [{ type: 'Ready', status: 'True' }] };
  const mesh = meshContainers({ skipInboundPorts: '9000', opaquePorts: '3306,25' });
  const pod = Resources.pod.keep(rawPod({ containers, initContainers: [mesh.init, mesh.proxy] }, status));
  expect(toWorkload(pod, place)).toEqual({
    key: { cluster: 'default', network: 'default', namespace: 'shop', name: 'reviews-1' },
    uid: 'pod-1',
    ips: ['10.0.0.1', 'fd00::1'],
    labels: { app: 'reviews', version: 'v1' },
    serviceAccount: 'reviews',
    node: 'node-1',
    zone: 'zone-a',
    hostNetwork: false,
    meshed: true,
    ready: true,
    opaquePorts: [3306, 25],
    skipInboundPorts: [9000],
    namedPorts: { http: 8080 },
    ingressMode: false,
  });
});

test.each([
  ['300', { weight: 300 }],
  [' 1 ', { weight: 1 }],
  ['0', {}],
  ['1001', {}],
  ['half', {}],
])('the weight "%s" of a pod is told to its callers, and what is none is left out', (text, expected) => {
  const raw = rawPod();
  const annotations = { 'weft.dev/weight': text };
  const { weight } = toWorkload(
    Resources.pod.keep({ ...raw, metadata: { ...raw.metadata, annotations } }),
    place,
  );
  expect(weight === undefined ? {} : { weight }).toEqual(expected);
});

test.each([
  ['PreferClose', true],
  ['PreferSameZone', true],
  ['PreferSameNode', true],
  [undefined, undefined],
])('a Service with the trafficDistribution %s prefers what is close: %s', (trafficDistribution, expected) => {
  const metadata = { name: 'reviews', namespace: 'shop' };
  const spec = trafficDistribution === undefined ? {} : { trafficDistribution };
  expect(toService(Resources.service.keep({ metadata, spec })).prefersClose).toBe(expected);
});

test.each(['Auto', 'auto', 'Disabled'])('the topology mode %s of a Service is heeded', (mode) => {
  const annotations = { 'service.kubernetes.io/topology-mode': mode };
  const metadata = { name: 'reviews', namespace: 'shop', annotations };
  const { prefersClose } = toService(Resources.service.keep({ metadata, spec: {} }));
  expect(prefersClose).toBe(mode === 'Disabled' ? undefined : true);
});

test('a topology hint is told', () => {
  const endpoint = { addresses: ['10.0.0.1'], zone: 'a', hints: { forZones: [{ name: 'b' }] } };
  const labels = { 'kubernetes.io/service-name': 'reviews' };
  const slice = {
    metadata: { name: 's', namespace: 'shop', labels },
    addressType: 'IPv4',
    endpoints: [endpoint],
  };
  const set = toEndpointSet(Resources.endpointSlice.keep(slice));
  expect(set?.addresses[0]).toMatchObject({ zone: 'a', forZone: 'b' });
});

test('the node of an endpoint, and a hint about nodes, are told', () => {
  const hints = { forNodes: [{ name: 'n2' }], forZones: [{ name: 'b' }] };
  const slice = {
    metadata: { name: 's', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'reviews' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], nodeName: 'n1', hints }, { addresses: ['10.0.0.2'] }],
  };
  const set = toEndpointSet(Resources.endpointSlice.keep(slice));
  expect(set?.addresses).toMatchObject([{ node: 'n1', forNode: 'n2', forZone: 'b' }, {}]);
  expect(set?.addresses[1]).not.toHaveProperty('node');
});

test.each([
  [{}, undefined, undefined],
  [{ internalTrafficPolicy: 'Cluster', sessionAffinity: 'None' }, undefined, undefined],
  [{ internalTrafficPolicy: 'Local' }, 'only', undefined],
  [{ internalTrafficPolicy: 'Local', trafficDistribution: 'PreferSameNode' }, 'only', undefined],
  [{ trafficDistribution: 'PreferSameNode' }, 'prefer', undefined],
  [{ sessionAffinity: 'ClientIP' }, undefined, 10_800],
  [
    { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } },
    undefined,
    60,
  ],
])('a Service with %j: node %s, affinity %s', (spec, node, affinity) => {
  const service = toService(
    Resources.service.keep({ metadata: { name: 'reviews', namespace: 'shop' }, spec }),
  );
  expect([service.node, service.affinitySeconds]).toEqual([node, affinity]);
});

test.each([
  ['a native sidecar', { initContainers: [{ name: 'weft-proxy' }] }, true],
  ['an ordinary container', { containers: [{ name: 'weft-proxy' }] }, true],
  ['no proxy, whatever the labels say', { containers: [{ name: 'app' }] }, false],
])('%s decides whether a pod is meshed', (_what, spec, meshed) => {
  expect(isMeshed(Resources.pod.keep(rawPod(spec)))).toBe(meshed);
});

test('annotations of a running pod change neither what is captured nor what is bytes', () => {
  const { init, proxy } = meshContainers();
  const { skipInboundPorts, opaquePorts } = toWorkload(
    Resources.pod.keep(rawPod({ initContainers: [init, proxy] })),
    place,
  );
  expect({ skipInboundPorts, opaquePorts }).toEqual({ skipInboundPorts: [], opaquePorts: [] });
});

test('a pod of a version that wrote no opaque ports, and one without a proxy, have those of the annotation', () => {
  const { init, proxy } = meshContainers();
  for (const initContainers of [[init, { ...proxy, env: [] }], []]) {
    const pod = Resources.pod.keep(rawPod({ initContainers }));
    expect(toWorkload(pod, place).opaquePorts).toEqual([3306, 25]);
  }
});

const ours = meshContainers();

test.each([
  ['what the webhook writes', { initContainers: [ours.init, ours.proxy] }, true],
  ['what it writes for old kubelets', { initContainers: [ours.init], containers: [ours.proxy] }, true],
  ['nothing', {}, false],
  ['a container of the name', { containers: [{ name: 'weft-proxy' }] }, false],
  ['a proxy without capture', { initContainers: [ours.proxy] }, false],
  [
    'another program',
    { initContainers: [ours.init, { ...ours.proxy, command: ['/bin/sleep', '1d'] }] },
    false,
  ],
  ['another user', { initContainers: [ours.init, { ...ours.proxy, securityContext: {} }] }, false],
  [
    'an init container that captures nothing',
    { initContainers: [{ ...ours.init, args: ['--help'] }, ours.proxy] },
    false,
  ],
])('a pod with %s has our proxy: %s', (_what, spec, expected) => {
  expect(hasOurProxy(Resources.pod.keep(rawPod(spec)))).toBe(expected);
});

test('a finished pod has ended, one that waits has not', () => {
  const phases = ['Pending', 'Running', 'Succeeded', 'Failed'];
  expect(phases.map((phase) => hasEnded(Resources.pod.keep(rawPod({}, { phase }))))).toEqual([
    false,
    false,
    true,
    true,
  ]);
});

test('only our annotations of a pod are kept', () => {
  expect(Object.keys(Resources.pod.keep(rawPod()).metadata.annotations)).toEqual([
    'weft.dev/opaque-ports',
    'weft.dev/skip-inbound-ports',
  ]);
});

test('a Service keeps both addresses, and a headless one is told from an external name', () => {
  const service = (spec: object) =>
    toService(Resources.service.keep({ metadata: { name: 'reviews', namespace: 'shop' }, spec }));
  const ports = [
    { name: 'http', port: 80, targetPort: 'web', appProtocol: 'http' },
    { port: 53, protocol: 'UDP' },
  ];
  expect(service({ clusterIPs: ['10.96.0.1', 'fd00:96::1'], ports, selector: { app: 'reviews' } })).toEqual({
    namespace: 'shop',
    name: 'reviews',
    clusterIPs: ['10.96.0.1', 'fd00:96::1'],
    headless: false,
    type: 'ClusterIP',
    ports: [
      { name: 'http', port: 80, targetPort: 'web', protocol: 'TCP', appProtocol: 'http' },
      { name: '', port: 53, targetPort: 53, protocol: 'UDP' },
    ],
    selector: { app: 'reviews' },
  });
  expect(service({ clusterIP: 'None', clusterIPs: ['None'] })).toMatchObject({
    headless: true,
    clusterIPs: [],
  });
  expect(service({ type: 'ExternalName', externalName: 'example.com' })).toMatchObject({ headless: false });
});

test('an EndpointSlice reads absent conditions as the API says', () => {
  const slice = Resources.endpointSlice.keep({
    metadata: { name: 'reviews-abc', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'reviews' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: [
      { addresses: ['10.0.0.1'], conditions: {}, targetRef: { kind: 'Pod', uid: 'pod-1' }, zone: 'zone-a' },
      { addresses: ['10.0.0.2'], conditions: { ready: false, serving: true, terminating: true } },
    ],
  } as Parameters<typeof Resources.endpointSlice.keep>[0]);
  expect(toEndpointSet(slice)).toEqual({
    namespace: 'shop',
    name: 'reviews-abc',
    service: 'shop/reviews',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    addresses: [
      { address: '10.0.0.1', ready: true, serving: true, terminating: false, pod: 'pod-1', zone: 'zone-a' },
      { address: '10.0.0.2', ready: false, serving: true, terminating: true },
    ],
  });
  expect(toEndpointSet({ ...slice, service: '' })).toBeUndefined();
  expect(toEndpointSet({ ...slice, addressType: 'FQDN' })).toBeUndefined();
});

function policy(spec: object): Parameters<typeof readPolicy>[0] {
  const metadata = { name: 'reviews', namespace: 'shop', uid: 'policy-1', generation: 3 };
  return Kinds.policies.resource.keep({
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata,
    spec,
  });
}

test('a TrafficPolicy becomes a policy, or problems that name the field', () => {
  const good = readPolicy(policy({ targetRefs: [{ kind: 'Service', name: 'reviews' }] }));
  expect(good).toMatchObject({ problems: [], value: { ref: { uid: 'policy-1', generation: 3 } } });
  const bad = readPolicy(policy({ targetRefs: [{ kind: 'Service', name: 'reviews' }], retries: {} }));
  expect(bad.value).toBeUndefined();
  expect(bad.problems[0]).toMatchObject({ condition: 'Accepted', reason: 'Invalid', field: 'spec.retries' });
});

test('a word that is not known in the labels of a namespace opens nothing', () => {
  const read = (label: string, word: string): object =>
    toNamespace(
      Resources.namespace.keep({ metadata: { name: 'shop', uid: 'ns-1', labels: { [label]: word } } }),
    );
  expect(read('weft.dev/default-access', 'Deny')).toEqual({ name: 'shop', access: 'deny' });
  expect(read('weft.dev/default-access', 'Allow')).toEqual({ name: 'shop', access: 'allow' });
  expect(read('weft.dev/default-access', 'allow')).toEqual({ name: 'shop', access: 'deny' });
  expect(read('weft.dev/outbound-policy', 'DryRunRegistryOnly')).toEqual({
    name: 'shop',
    outbound: 'dryRun',
  });
  expect(read('weft.dev/outbound-policy', 'Any')).toEqual({ name: 'shop', outbound: 'registryOnly' });
});
