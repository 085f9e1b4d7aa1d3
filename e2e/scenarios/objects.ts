/** Objects of Kubernetes as its own controllers would write them, for the API server of a world. */
import type { StoredObject } from '../../src/testing/index.js';

/** Where the API server has each kind. */
export const COLLECTIONS = {
  nodes: '/api/v1/nodes',
  pods: '/api/v1/pods',
  services: '/api/v1/services',
  endpointSlices: '/apis/discovery.k8s.io/v1/endpointslices',
  policies: '/apis/weft.dev/v1alpha1/trafficpolicies',
  meshConfigs: '/apis/weft.dev/v1alpha1/meshconfigs',
} as const;

/** Ports of each Service and of the application behind it. */
export const PORTS = { http: 8080, grpc: 8081, tcp: 8082 } as const;

/** The namespace of everything. */
export const NAMESPACE = 'shop';

const PORT_LIST = [
  { name: 'http', port: PORTS.http, protocol: 'TCP', appProtocol: 'http' },
  { name: 'grpc', port: PORTS.grpc, protocol: 'TCP', appProtocol: 'grpc' },
  { name: 'tcp', port: PORTS.tcp, protocol: 'TCP', appProtocol: 'tcp' },
];

/** What an endpoint is: takes traffic, finishes what it has, or is not known to anybody yet. */
export type Condition = 'ready' | 'terminating';

export function node(zone: string): StoredObject {
  return { metadata: { name: `node-${zone}`, labels: { 'topology.kubernetes.io/zone': zone } } };
}

export function service(app: string, clusterIP: string): StoredObject {
  const ports = PORT_LIST.map((port) => ({ ...port, targetPort: port.port }));
  const spec = { clusterIP, clusterIPs: [clusterIP], ports, selector: { app } };
  return { metadata: { name: app, namespace: NAMESPACE }, spec };
}

/** A pod with our proxy in it. */
export function pod(name: string, app: string, place: { address: string; zone?: string }): StoredObject {
  const { address, zone } = place;
  return {
    metadata: { name, namespace: NAMESPACE, uid: name, labels: { app } },
    spec: {
      serviceAccountName: app,
      ...(zone === undefined ? {} : { nodeName: `node-${zone}` }),
      containers: [{ name: 'app' }],
      initContainers: [{ name: 'weft-init' }, { name: 'weft-proxy' }],
    },
    status: {
      phase: 'Running',
      podIPs: [{ ip: address }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

/** The slice of a Service with these pods behind it. */
export function slice(
  app: string,
  pods: readonly { name: string; address: string; zone?: string | undefined; phase: Condition }[],
): StoredObject {
  return {
    metadata: {
      name: `${app}-1`,
      namespace: NAMESPACE,
      labels: { 'kubernetes.io/service-name': app },
    },
    addressType: 'IPv4',
    ports: PORT_LIST.map(({ name, port, protocol }) => ({ name, port, protocol })),
    endpoints: pods.map(({ name, address, zone, phase }) => ({
      addresses: [address],
      conditions: { ready: phase === 'ready', serving: true, terminating: phase === 'terminating' },
      targetRef: { kind: 'Pod', name, uid: name },
      ...(zone === undefined ? {} : { zone }),
    })),
  };
}
