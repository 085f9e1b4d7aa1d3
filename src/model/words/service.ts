import type { ServiceKey } from './keys.js';

export interface ServicePort {
  /** Empty when the Service has a single unnamed port. Joins the port with the endpoints' port of that name. */
  readonly name: string;
  readonly port: number;
  /** A number, or the name of a container port. Endpoints hold the resolved number. */
  readonly targetPort: number | string;
  /** Anything but TCP passes by the mesh. */
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly appProtocol?: string;
}

export interface Service {
  readonly namespace: string;
  readonly name: string;
  /** Primary address first. Empty for headless Services and external names. */
  readonly clusterIPs: readonly string[];
  /** Callers dial the pods' own addresses. */
  readonly headless: boolean;
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  readonly ports: readonly ServicePort[];
  readonly selector?: Readonly<Record<string, string>>;
  /** Its trafficDistribution asks for endpoints near the caller. */
  readonly prefersClose?: boolean;
  /** Endpoints of the caller's node come first, or there are no others. Absent: nodes do not matter. */
  readonly node?: NodePolicy;
  /** A caller keeps to one endpoint until it has sent nothing for so long. Absent: it does not. */
  readonly affinitySeconds?: number;
}

/** What the node that a caller runs on has to do with the endpoints it gets. */
export type NodePolicy = 'prefer' | 'only';

/** One EndpointSlice of a Service: addresses of one family that share their ports. */
export interface EndpointSet {
  /** Namespace and name of the slice itself. */
  readonly namespace: string;
  readonly name: string;
  /** The Service it belongs to (label `kubernetes.io/service-name`). */
  readonly service: ServiceKey;
  readonly ports: readonly EndpointPort[];
  readonly addresses: readonly EndpointAddress[];
}

export interface EndpointPort {
  /** Name of the Service port this is the target of; empty for an unnamed one. */
  readonly name: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

export interface EndpointAddress {
  readonly address: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Uid of the pod behind the address, when its targetRef names one. */
  readonly pod?: string;
  readonly zone?: string;
  /** The zone that it should serve, where a topology hint says so; it comes before its own. */
  readonly forZone?: string;
  /** The node that it runs on. */
  readonly node?: string;
  /** The node that it should serve, where a topology hint says so. */
  readonly forNode?: string;
}
