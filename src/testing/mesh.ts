import {
  DEFAULT_SETTINGS,
  type EndpointAddress,
  type EndpointSet,
  MeshTables,
  type Policy,
  type Referrer,
  type Service,
  type ServicePort,
  type SplitEntry,
  type Workload,
} from '../model/index.js';

/** A mesh with nothing in it. */
export function aMesh(): MeshTables {
  return new MeshTables(DEFAULT_SETTINGS);
}

/** A TCP port 8080 that sends to 9080. */
export function aPort(fields: Partial<ServicePort> = {}): ServicePort {
  return { name: '', port: 8080, targetPort: 9080, protocol: 'TCP', ...fields };
}

/** Service shop/reviews at 10.96.0.5:8080. */
export function aService(fields: Partial<Service> = {}): Service {
  return {
    namespace: 'shop',
    name: 'reviews',
    clusterIPs: ['10.96.0.5'],
    headless: false,
    type: 'ClusterIP',
    ports: [aPort()],
    ...fields,
  };
}

/** A ready, meshed pod shop/<name> of service account `reviews`, whose uid is its name. */
export function aWorkload(name: string, ip: string, fields: Partial<Workload> = {}): Workload {
  return {
    key: { cluster: 'default', network: 'default', namespace: 'shop', name },
    uid: name,
    ips: [ip],
    labels: {},
    serviceAccount: 'reviews',
    hostNetwork: false,
    meshed: true,
    ready: true,
    opaquePorts: [],
    skipInboundPorts: [],
    namedPorts: {},
    ingressMode: false,
    ...fields,
  };
}

/** A ready address of a pod. */
export function anAddress(
  address: string,
  pod?: string,
  fields: Partial<EndpointAddress> = {},
): EndpointAddress {
  const ready = { ready: true, serving: true, terminating: false };
  return { address, ...ready, ...(pod === undefined ? {} : { pod }), ...fields };
}

/** The slice of shop/reviews with port 9080. */
export function anEndpointSet(addresses: EndpointAddress[], fields: Partial<EndpointSet> = {}): EndpointSet {
  return {
    namespace: 'shop',
    name: 'reviews-1',
    service: 'shop/reviews',
    ports: [{ name: '', port: 9080, protocol: 'TCP' }],
    addresses,
    ...fields,
  };
}

/** TrafficPolicies of the namespace `shop`, as a ReferenceGrant names them. */
export const POLICY_OF_SHOP: Referrer = { group: 'weft.dev', kind: 'TrafficPolicy', namespace: 'shop' };

interface EntryFields extends Partial<Omit<SplitEntry, 'service'>> {
  readonly service?: Omit<NonNullable<SplitEntry['service']>, 'from'> & { readonly from?: Referrer };
}

/** An entry of a split that means the whole target. */
export function anEntry({ service, ...fields }: EntryFields = {}): SplitEntry {
  return {
    weight: 1,
    fallback: false,
    field: 'spec.routes[0].split[0]',
    ...(service === undefined ? {} : { service: { from: POLICY_OF_SHOP, ...service } }),
    ...fields,
  };
}

/** A TrafficPolicy `<namespace>/<name>` on shop/reviews without routes, whose uid is its namespace and name. */
export function aPolicy(
  name: string,
  fields: Partial<Policy> = {},
  { namespace = 'shop', createdAt = '2026-01-01T00:00:00Z' } = {},
): Policy {
  const uid = `${namespace}/${name}`;
  return {
    ref: { kind: 'TrafficPolicy', namespace, name, uid, generation: 1, creationTimestamp: createdAt },
    targets: [{ service: 'shop/reviews', field: 'spec.targetRefs[0]' }],
    routes: [],
    loadBalancer: { algorithm: 'peakEwma' },
    ...fields,
  };
}

/** shop/reviews with three pods: a and b of version v1, c of version v2. */
export function aShop(): MeshTables {
  const mesh = aMesh();
  mesh.services.set(aService());
  mesh.workloads.set(aWorkload('a', '10.244.0.1', { labels: { version: 'v1' } }));
  mesh.workloads.set(aWorkload('b', '10.244.0.2', { labels: { version: 'v1' } }));
  mesh.workloads.set(aWorkload('c', '10.244.0.3', { labels: { version: 'v2' } }));
  mesh.endpointSets.set(
    anEndpointSet([anAddress('10.244.0.1', 'a'), anAddress('10.244.0.2', 'b'), anAddress('10.244.0.3', 'c')]),
  );
  return mesh;
}
