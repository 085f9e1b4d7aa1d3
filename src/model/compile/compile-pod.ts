import type { CompiledDestination, Destination, DestinationRef } from '../words/destination.js';
import { podEndpoint, refusalOf } from './endpoints.js';
import { canonicalIp, ipFamily } from '../words/ip.js';
import { dirtyMtls, dirtyWorkload } from '../words/keys.js';
import { mtlsOn } from './mtls-on.js';
import type { Mesh } from '../tables/mesh.js';
import { podPorts } from './pod-ports.js';

type PodRef = Extract<DestinationRef, { kind: 'pod' }>;

/** A pod dialled by its own address, as callers of a headless Service do: that one endpoint, and no policy. */
export function compilePod(mesh: Mesh, ref: PodRef): CompiledDestination | undefined {
  const workload = mesh.workloads.get(ref.uid);
  const key = podDestinationKey(mesh, ref);
  if (workload === undefined || key === undefined) return undefined;
  const { namespace, name } = workload.key;
  const refusal = refusalOf(mesh, workload, ref.port);
  const destination: Destination = {
    criticalFeatures: [],
    key,
    target: { kind: 'pod', namespace, name, port: ref.port },
    protocol: podPorts(mesh, workload).get(ref.port)?.protocol ?? 'unknown',
    endpoints: refusal === undefined ? [podEndpoint(mesh, workload, ref.address, ref.port)] : [],
    backends: [
      {
        name: `${namespace}/${name}:${ref.port}`,
        ...(refusal === undefined ? { endpoints: [0] } : { endpoints: [], invalid: refusal }),
      },
    ],
    routes: [{ name: 'default', matches: [], split: [{ backend: 0, weight: 1 }] }],
    loadBalancer: { algorithm: 'peakEwma' },
  };
  const depends = ['mesh' as const, dirtyWorkload(ref.uid), dirtyMtls(namespace)];
  return { key, destination, sources: mtlsOn(mesh, workload).sources, depends };
}

/** `pod/` keeps the key apart from that of a Service with the pod's name. */
export function podDestinationKey(mesh: Mesh, ref: PodRef): string | undefined {
  const workload = mesh.workloads.get(ref.uid);
  if (workload === undefined) return undefined;
  const { cluster, network, namespace, name } = workload.key;
  const [dialled, first] = [ipFamily(ref.address), ipFamily(canonicalIp(workload.ips[0] ?? '') ?? '')];
  return `${cluster}/${network}/${namespace}/pod/${name}:${ref.port}${dialled === first ? '' : `,${dialled}`}/-`;
}
