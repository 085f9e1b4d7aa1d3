import { names } from '../../base/index.js';
import { applicationContainers, placedContainers, type Pod } from './pod.js';
import type { InjectionSettings, Namespace } from './settings.js';
import { VOLUMES } from './volumes.js';

/** Why a pod stays without a proxy. */
export interface Reason {
  readonly code: ReasonCode;
  /** For the pod's author: what was found, and what to do where something can be done. */
  readonly message: string;
}

export type ReasonCode =
  | 'AnotherRevision'
  | 'NotSelected'
  | 'OptedOut'
  | 'HostNetwork'
  | 'NotLinux'
  | 'AnotherMesh'
  | 'NameTaken'
  | 'UserTaken'
  | 'PortTaken';

interface Subject {
  readonly pod: Pod;
  readonly namespace: Namespace | undefined;
  readonly settings: InjectionSettings;
}

/** Finds out one thing; undefined is fine. */
type Check = (subject: Subject) => string | undefined;

const CHECKS: readonly (readonly [ReasonCode, Check])[] = [
  ['AnotherRevision', anotherRevision],
  ['NotSelected', notSelected],
  ['OptedOut', optedOut],
  ['HostNetwork', hostNetwork],
  ['NotLinux', notLinux],
  ['AnotherMesh', anotherMesh],
  ['NameTaken', nameTaken],
  ['UserTaken', userTaken],
  ['PortTaken', portTaken],
];

/** The first two say that the pod is none of this webhook's business, so that it does not even write on it. */
const NOT_OURS: ReadonlySet<ReasonCode> = new Set(['AnotherRevision', 'NotSelected']);

/** Everything that speaks against giving this pod a proxy; nothing does when the list is empty. */
export function reasonsNotToInject(
  pod: Pod,
  namespace: Namespace | undefined,
  settings: InjectionSettings,
): readonly Reason[] {
  return CHECKS.flatMap(([code, check]) => {
    const message = check({ pod, namespace, settings });
    return message === undefined ? [] : [{ code, message }];
  });
}

/** Whether the reasons say that somebody else decides about this pod. */
export function isNotOurs(reasons: readonly Reason[]): boolean {
  return reasons.some(({ code }) => NOT_OURS.has(code));
}

/** Whether the pod says that this webhook gave it a proxy in an earlier round of the same admission; see `forgery`. */
export function claimsInjection(pod: Pod): boolean {
  return (
    pod.metadata.annotations?.[names.Annotation.injection] === INJECTED &&
    placedContainers(pod).some(({ container }) => container.name === names.PROXY_CONTAINER)
  );
}

/** The decision as the pod's annotation tells it. */
export function decisionText(reasons: readonly Reason[]): string {
  if (reasons.length === 0) return INJECTED;
  return `skipped: ${reasons.map(({ code, message }) => `${code}: ${message}`).join('; ')}`;
}

const INJECTED = 'injected';
const ENABLED = 'enabled';
const DISABLED = 'disabled';
const { inject, rev } = names.Label;

function anotherRevision({ namespace, settings }: Subject): string | undefined {
  const wanted = namespace?.labels[rev];
  if (wanted === undefined || wanted === settings.revision) return undefined;
  return `the namespace belongs to revision ${wanted}`;
}

/** An unknown namespace is newer than what the informer has seen: then the webhook's selectors have decided. */
function notSelected({ pod, namespace }: Subject): string | undefined {
  if (namespace === undefined || namespace.labels[inject] === ENABLED) return undefined;
  if (namespace.labels[inject] === DISABLED) return `the namespace carries the label ${inject}=${DISABLED}`;
  if (pod.metadata.labels?.[inject] !== undefined) return undefined;
  return `neither the namespace nor the pod carries the label ${inject}=${ENABLED}`;
}

function optedOut({ pod }: Subject): string | undefined {
  const value = pod.metadata.labels?.[inject];
  if (value === undefined || value === ENABLED) return undefined;
  return `the pod carries the label ${inject}=${value}`;
}

function hostNetwork({ pod }: Subject): string | undefined {
  if (pod.spec.hostNetwork !== true) return undefined;
  return 'the pod has hostNetwork, and capturing would take the traffic of its whole node';
}

function notLinux({ pod }: Subject): string | undefined {
  const os = pod.spec.os?.name ?? 'linux';
  return os === 'linux' ? undefined : `the proxy runs on Linux only, and the pod asks for ${os}`;
}

const OTHER_PROXIES: ReadonlySet<string> = new Set([
  'istio-proxy',
  'istio-init',
  'linkerd-proxy',
  'linkerd-init',
]);

function anotherMesh({ pod }: Subject): string | undefined {
  const found = placedContainers(pod).find(({ container }) => OTHER_PROXIES.has(container.name));
  if (found === undefined) return undefined;
  return `container ${found.container.name} already captures the pod's traffic; remove one of the two meshes from this pod`;
}

function nameTaken({ pod }: Subject): string | undefined {
  const named = [...placedContainers(pod).map(({ container }) => container), ...(pod.spec.volumes ?? [])];
  const taken = named.find(({ name }) => RESERVED.has(name));
  return taken === undefined ? undefined : `the name ${taken.name} is reserved for the mesh; rename yours`;
}

const RESERVED: ReadonlySet<string> = new Set([
  names.INIT_CONTAINER,
  names.PROXY_CONTAINER,
  ...Object.values(VOLUMES),
]);

function userTaken({ pod }: Subject): string | undefined {
  const podUser = pod.spec.securityContext?.runAsUser;
  const taken = applicationContainers(pod).find(
    ({ container }) => (container.securityContext?.runAsUser ?? podUser) === names.PROXY_UID,
  );
  if (taken === undefined) return undefined;
  return `container ${taken.container.name} runs as user ${names.PROXY_UID}, whose traffic is never captured; use another user`;
}

const PROXY_PORTS: ReadonlySet<number> = new Set(Object.values(names.ProxyPort));

function portTaken({ pod }: Subject): string | undefined {
  for (const { container } of applicationContainers(pod)) {
    const taken = container.ports?.find(({ containerPort }) => PROXY_PORTS.has(containerPort));
    if (taken !== undefined) {
      return `container ${container.name} uses port ${taken.containerPort}, which the proxy uses; use another port`;
    }
  }
  return undefined;
}
