import {
  DEFAULT_SETTINGS,
  MeshTables,
  type EndpointSet,
  type Policy,
  type Service,
  type Workload,
} from '../model/index.js';

/** Builders with sensible values for what a test does not care about. */
export function aWorkload(values: Partial<Workload> & { readonly uid: string }): Workload {
  return {
    key: { cluster: 'default', network: 'default', namespace: 'shop', name: values.uid },
    ips: [],
    labels: {},
    serviceAccount: 'default',
    hostNetwork: false,
    meshed: true,
    ready: true,
    opaquePorts: [],
    skipInboundPorts: [],
    namedPorts: {},
    ingressMode: false,
    ...values,
  };
}

export function aService(values: Partial<Service> & { readonly name: string }): Service {
  return {
    namespace: 'shop',
    clusterIPs: [],
    headless: false,
    type: 'ClusterIP',
    ports: [{ name: 'http', port: 8080, targetPort: 8080, protocol: 'TCP', appProtocol: 'http' }],
    ...values,
  };
}

/** The slice of a Service `shop/<service>` with these pods behind it, by uid and address. */
export function anEndpointSet(service: string, pods: Readonly<Record<string, string>>): EndpointSet {
  return {
    namespace: 'shop',
    name: `${service}-1`,
    service: `shop/${service}`,
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    addresses: Object.entries(pods).map(([pod, address]) => ({
      address,
      pod,
      ready: true,
      serving: true,
      terminating: false,
    })),
  };
}

/** A policy on `shop/<service>` that splits by label `version`, weights by version. */
export function aSplitPolicy(
  service: string,
  weights: Readonly<Record<string, number>>,
  values: { readonly generation?: number; readonly name?: string; readonly namespace?: string } = {},
): Policy {
  const { generation = 1, name = service, namespace = 'shop' } = values;
  return {
    ref: {
      kind: 'TrafficPolicy',
      namespace,
      name,
      uid: `policy-${namespace}-${name}`,
      generation,
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
    targets: [{ service: `shop/${service}`, field: 'spec.targetRefs[0]' }],
    routes: [
      {
        name: 'canary',
        matches: [],
        split: Object.entries(weights).map(([version, weight], i) => ({
          labels: { version },
          weight,
          fallback: false,
          field: `spec.routes[0].split[${i}]`,
        })),
      },
    ],
    loadBalancer: { algorithm: 'peakEwma' },
  };
}

/**
 * `shop/reviews` at 10.96.0.5:8080 with a pod of v1 and one of v2, and a caller `web` in `shop` at 127.0.0.1, so that
 * a test may connect as that pod.
 */
export function aMesh(): MeshTables {
  const mesh = new MeshTables(DEFAULT_SETTINGS);
  mesh.services.set(aService({ name: 'reviews', clusterIPs: ['10.96.0.5'] }));
  for (const [version, ip] of [
    ['v1', '10.244.0.11'],
    ['v2', '10.244.0.12'],
  ] as const) {
    mesh.workloads.set(
      aWorkload({ uid: `reviews-${version}`, ips: [ip], labels: { version }, serviceAccount: 'reviews' }),
    );
  }
  mesh.endpointSets.set(
    anEndpointSet('reviews', { 'reviews-v1': '10.244.0.11', 'reviews-v2': '10.244.0.12' }),
  );
  mesh.workloads.set(aWorkload({ uid: 'web-1', ips: ['127.0.0.1'], serviceAccount: 'web' }));
  return mesh;
}
