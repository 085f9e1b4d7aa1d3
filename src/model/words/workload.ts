import type { WorkloadKey } from './keys.js';

/** A pod, as far as the mesh cares. */
export interface Workload {
  readonly key: WorkloadKey;
  readonly uid: string;
  /** Every address of the pod, IPv4 and IPv6. Empty until it has one and after it ended: addresses are reused. */
  readonly ips: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly node?: string;
  /** Zone of the node. */
  readonly zone?: string;
  /** The pod shares its node's addresses, so an address does not tell it from its neighbours. */
  readonly hostNetwork: boolean;
  /** The pod runs our proxy. */
  readonly meshed: boolean;
  /** Its Ready condition. Endpoints say for themselves whether they are ready; this is for status and views. */
  readonly ready: boolean;
  /** Container ports that take bytes only (annotation `weft.dev/opaque-ports`). */
  readonly opaquePorts: readonly number[];
  /** Container ports that the proxy does not capture, so that callers use plain text (`weft.dev/skip-inbound-ports`). */
  readonly skipInboundPorts: readonly number[];
  /** Container ports by name. */
  readonly namedPorts: Readonly<Record<string, number>>;
  /** Routes by host rather than by the dialled address (`weft.dev/ingress-mode`). */
  readonly ingressMode: boolean;
  /** Beside other endpoints of a Service (`weft.dev/weight`). Absent: the usual one, 100. */
  readonly weight?: number;
}
