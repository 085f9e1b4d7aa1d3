import { names } from '../../base/index.js';
import type { Pod } from '../../kube/index.js';
import type { Workload } from '../../model/index.js';
import { portList } from './ports.js';

/** Where the pod is, which it does not say itself. */
export interface PodPlace {
  readonly cluster: string;
  readonly network: string;
  /** Zone of its node; undefined when not known. */
  readonly zone: string | undefined;
}

/** Whether the pod runs our proxy, as native sidecar or as ordinary container. */
export function isMeshed(pod: Pod): boolean {
  return pod.initContainers.includes(names.PROXY_CONTAINER) || pod.containers.includes(names.PROXY_CONTAINER);
}

/** Whether the pod has ended for good: its addresses may belong to another by now. */
export function hasEnded(pod: Pod): boolean {
  return pod.phase === 'Succeeded' || pod.phase === 'Failed';
}

/** A pod in terms of the mesh. */
export function toWorkload(pod: Pod, place: PodPlace): Workload {
  const { metadata } = pod;
  const { Annotation } = names;
  const named = pod.ports.filter((port) => port.name !== '').map((port) => [port.name, port.port] as const);
  return {
    key: {
      cluster: place.cluster,
      network: place.network,
      namespace: metadata.namespace,
      name: metadata.name,
    },
    uid: metadata.uid,
    ips: pod.ips,
    labels: metadata.labels,
    serviceAccount: pod.serviceAccount,
    ...(pod.nodeName === '' ? {} : { node: pod.nodeName }),
    ...(place.zone === undefined || place.zone === '' ? {} : { zone: place.zone }),
    hostNetwork: pod.hostNetwork,
    meshed: isMeshed(pod),
    ready: pod.ready,
    opaquePorts: portList(metadata.annotations[Annotation.opaquePorts]),
    skipInboundPorts: portList(metadata.annotations[Annotation.skipInboundPorts]),
    namedPorts: Object.fromEntries(named),
    ingressMode: metadata.annotations[Annotation.ingressMode] === 'enabled',
    ...weightOf(metadata.annotations[Annotation.weight]),
  };
}

/** From 1 to 1000; the webhook refuses anything else, and what came past it is left at the usual weight. */
function weightOf(text = ''): { readonly weight?: number } {
  const weight = /^[0-9]{1,4}$/.test(text.trim()) ? Number(text) : 0;
  return weight >= 1 && weight <= 1000 ? { weight } : {};
}
