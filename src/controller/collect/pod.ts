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

/**
 * Whether callers must expect our proxy in the pod, as native sidecar or as ordinary container. A pod that only pretends
 * fails their handshake: that is safe, while plain text to a pod whose proxy was not recognised would not be.
 */
export function isMeshed(pod: Pod): boolean {
  return pod.meshContainers.proxy !== undefined;
}

/** Whether the pod has the proxy that our webhook gives: what it shows can be believed in reports. */
export function hasOurProxy({ meshContainers: { init, proxy } }: Pod): boolean {
  if (init === undefined || proxy === undefined) return false;
  const captures = [String(names.ProxyPort.inbound), String(names.ProxyPort.outbound)];
  return (
    isRun(init.command, 'init') &&
    captures.every((port) => init.args.includes(port)) &&
    isRun(proxy.command, 'run') &&
    proxy.args.length === 0 &&
    proxy.user === names.PROXY_UID
  );
}

function isRun([binary, mode, ...more]: readonly string[], wanted: string): boolean {
  return binary === names.PROXY_BINARY && mode === wanted && more.length === 0;
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
    // As its endpoints are: one that ends takes nothing new.
    ready: pod.ready && !pod.metadata.deleting,
    ...portsAtCreation(pod),
    namedPorts: Object.fromEntries(named),
    ingressMode: metadata.annotations[Annotation.ingressMode] === 'enabled',
    ...weightOf(metadata.annotations[Annotation.weight]),
  };
}

/**
 * Of a meshed pod as the webhook wrote them into its spec: an annotation that is changed later changes neither what the proxy
 * captures nor what callers may send in plain text. Without a proxy nothing but the annotation tells, and nothing hangs on it.
 */
function portsAtCreation({
  metadata,
  meshContainers,
}: Pod): Pick<Workload, 'opaquePorts' | 'skipInboundPorts'> {
  const { opaquePorts, skipInboundPorts } = names.Annotation;
  const { init, proxy } = meshContainers;
  const option = init?.args.indexOf(names.SKIP_INBOUND_OPTION) ?? -1;
  const own: readonly number[] = [names.ProxyPort.probe, names.ProxyPort.metrics];
  return {
    opaquePorts: portList(proxy?.opaquePorts ?? metadata.annotations[opaquePorts]),
    skipInboundPorts:
      init === undefined
        ? portList(proxy === undefined ? metadata.annotations[skipInboundPorts] : undefined)
        : portList(option < 0 ? undefined : init.args[option + 1]).filter((port) => !own.includes(port)),
  };
}

/** From 1 to 1000; the webhook refuses anything else, and what came past it is left at the usual weight. */
function weightOf(text = ''): { readonly weight?: number } {
  const weight = /^[0-9]{1,4}$/.test(text.trim()) ? Number(text) : 0;
  return weight >= 1 && weight <= 1000 ? { weight } : {};
}
