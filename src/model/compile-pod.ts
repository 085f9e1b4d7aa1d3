import type { CompiledDestination, Destination, DestinationRef } from './destination.js';
import { podEndpoint } from './endpoints.js';
import { canonicalIp, ipFamily } from './ip.js';
import { dirtyWorkload } from './keys.js';
import type { Mesh } from './mesh.js';
import { podPorts } from './pod-ports.js';

type PodRef = Extract<DestinationRef, { kind: 'pod' }>;

/** A pod dialled by its own address, as callers of a headless Service do: that one endpoint, and no policy. */
export function compilePod(mesh: Mesh, ref: PodRef): CompiledDestination | undefined {
  const workload = mesh.workloads.get(ref.uid);
  const key = podDestinationKey(mesh, ref);
  if (workload === undefined || key === undefined) return undefined;
  const { namespace, name } = workload.key;
  const destination: Destination = {
    criticalFeatures: [],
    key,
    target: { kind: 'pod', namespace, name, port: ref.port },
    protocol: podPorts(mesh, workload).get(ref.port)?.protocol ?? 'unknown',
    endpoints: [podEndpoint(mesh, workload, ref.address, ref.port)],
    backends: [{ name: `${namespace}/${name}:${ref.port}`, endpoints: [0] }],
    routes: [{ name: 'default', matches: [], split: [{ backend: 0, weight: 1 }] }],
    loadBalancer: { algorithm: 'peakEwma' },
  };
  return { key, destination, sources: [], depends: ['mesh', dirtyWorkload(ref.uid)] };
}

/** `pod/` keeps the key apart from that of a Service with the pod's name. */
export function podDestinationKey(mesh: Mesh, ref: PodRef): string | undefined {
  const workload = mesh.workloads.get(ref.uid);
  if (workload === undefined) return undefined;
  const { cluster, network, namespace, name } = workload.key;
  const [dialled, first] = [ipFamily(ref.address), ipFamily(canonicalIp(workload.ips[0] ?? '') ?? '')];
  return `${cluster}/${network}/${namespace}/pod/${name}:${ref.port}${dialled === first ? '' : `,${dialled}`}/-`;
}
