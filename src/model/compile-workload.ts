import type { CompiledWorkload } from './destination.js';
import { dirtyWorkload, workloadKeyText } from './keys.js';
import type { Mesh } from './mesh.js';
import { podPorts } from './pod-ports.js';
import { spiffeId } from './spiffe.js';

/** What the proxy of a pod needs to know about its own pod, or undefined when the pod is unknown. */
export function compileWorkload(mesh: Mesh, uid: string): CompiledWorkload | undefined {
  const workload = mesh.workloads.get(uid);
  if (workload === undefined) return undefined;
  const { trustDomain, mtls, outbound, via, forwarded } = mesh.settings;
  const inboundPorts = [...podPorts(mesh, workload)].map(([port, { protocol, services }]) => ({
    port,
    protocol,
    mtls,
    services,
  }));
  return {
    uid,
    workload: {
      criticalFeatures: [],
      key: workloadKeyText(workload.key),
      identity: spiffeId(trustDomain, workload),
      ...(workload.zone === undefined ? {} : { zone: workload.zone }),
      labels: workload.labels,
      mtls,
      inboundPorts,
      outbound,
      ingressMode: workload.ingressMode,
      via,
      forwarded,
    },
    depends: ['mesh', dirtyWorkload(uid)],
  };
}
