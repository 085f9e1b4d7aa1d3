import { MeshError, names } from '../../base/index.js';
import type { PodChoices } from './annotations.js';
import type { Originals, ProbeTarget } from './probes.js';
import type { Pod } from './pod.js';
import type { InjectionSettings, ProxyResources } from './settings.js';
import { VOLUMES } from './volumes.js';

/** A rendered container; only its name is looked at again. */
export interface RenderedContainer {
  readonly name: string;
  readonly [field: string]: unknown;
}

const BINARY = names.PROXY_BINARY;
const STARTUP_SECONDS = 60;

/** Kept free between the end of draining and the kubelet's SIGKILL. */
const SPARE_SECONDS = 5;
const DEFAULT_GRACE_SECONDS = 30;

/** Where the state of the proxy lives; token and trust bundle stand beside it. */
const MOUNTS = '/var/run/weft';

/** The environment variable with the probes' targets. */
export const PROBES_VARIABLE = 'WEFT_PROBES';

/** Checks whether the pod is captured: any user but the proxy's will do. */
const VERIFIER_UID = 65532;

/** Ports whose connections go past the proxy: its own two, and what the pod says. */
function skippedInbound({ skipInboundPorts }: PodChoices): string {
  const { probe, metrics } = names.ProxyPort;
  return [probe, metrics, ...skipInboundPorts].join(',');
}

/** What `weft-proxy init` is told: which ports are captured, and which are left alone. */
function captureArguments(choices: PodChoices): readonly string[] {
  const { outbound, inbound } = names.ProxyPort;
  const options: readonly (readonly [string, string])[] = [
    ['--outbound-port', String(outbound)],
    ['--inbound-port', String(inbound)],
    ['--proxy-uid', String(names.PROXY_UID)],
    [names.SKIP_INBOUND_OPTION, skippedInbound(choices)],
    ...skipOption('--skip-outbound-ports', choices.skipOutboundPorts),
  ];
  return options.flat();
}

/** The same for the node's plugin, as the value of an annotation. Throws `invalid` for more ports than it reads. */
export function captureValue(choices: PodChoices): string {
  const skipInboundPorts = skippedInbound(choices);
  const skipOutboundPorts = choices.skipOutboundPorts.join(',');
  if (Math.max(skipInboundPorts.length, skipOutboundPorts.length) > MOST_PORTS)
    throw new MeshError(
      'invalid',
      `more ports are to bypass the proxy than the CNI plugin reads (${MOST_PORTS} characters); shorten ${names.Annotation.skipInboundPorts} or ${names.Annotation.skipOutboundPorts}`,
    );
  return JSON.stringify({ skipInboundPorts, skipOutboundPorts });
}

/** As `weft-cni` has it. */
const MOST_PORTS = 4096;

/** Whether the node's plugin captures the pod, whose annotation tells it how. */
export function isCapturedByNode(pod: Pod, { capture }: InjectionSettings): boolean {
  // The kernel lets nobody outside of a pod's user namespace program rules about users in it.
  return capture === 'CNI' && pod.spec.hostUsers !== false;
}

/**
 * The first init container. It programs iptables, for which it needs root with two capabilities, but no privileges. Where the node's
 * plugin has done that already it only checks that it has, so that no pod starts without its rules, and needs nothing.
 */
export function renderInit(pod: Pod, settings: InjectionSettings, choices: PodChoices): RenderedContainer {
  const verifies = isCapturedByNode(pod, settings);
  const user = verifies ? VERIFIER_UID : 0;
  return {
    name: names.INIT_CONTAINER,
    image: settings.image,
    imagePullPolicy: 'IfNotPresent',
    command: [BINARY, 'init'],
    args: [...captureArguments(choices), ...(verifies ? ['--verify'] : [])],
    resources: renderResources(choices.resources),
    ...(verifies ? { terminationMessagePolicy: 'FallbackToLogsOnError' } : {}),
    securityContext: {
      runAsUser: user,
      runAsGroup: user,
      runAsNonRoot: verifies,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], ...(verifies ? {} : { add: ['NET_ADMIN', 'NET_RAW'] }) },
      seccompProfile: { type: 'RuntimeDefault' },
    },
  };
}

/** What the pod asks for, and what was decided about its certificate. */
export interface ProxyChoices extends PodChoices {
  readonly podCertificate: boolean;
}

/** The proxy; a native sidecar holds back what starts after it until it is ready. */
export function renderProxy(
  pod: Pod,
  settings: InjectionSettings,
  choices: ProxyChoices,
  originals: Readonly<Record<string, ProbeTarget>>,
): RenderedContainer {
  const ready = {
    httpGet: { path: '/ready', port: names.ProxyPort.metrics, scheme: 'HTTP' },
    timeoutSeconds: 1,
  };
  return {
    name: names.PROXY_CONTAINER,
    image: settings.image,
    imagePullPolicy: 'IfNotPresent',
    command: [BINARY, 'run'],
    ...(settings.nativeSidecar ? { restartPolicy: 'Always' } : {}),
    ports: [{ name: 'weft-metrics', containerPort: names.ProxyPort.metrics, protocol: 'TCP' }],
    env: [...renderEnv(pod, settings, originals), ...renderChoices(choices)],
    resources: renderResources(choices.resources),
    startupProbe: { ...ready, periodSeconds: 1, failureThreshold: STARTUP_SECONDS },
    readinessProbe: { ...ready, periodSeconds: 5, failureThreshold: 3 },
    lifecycle: { preStop: { exec: { command: [BINARY, 'drain'] } } },
    securityContext: {
      runAsUser: names.PROXY_UID,
      runAsGroup: names.PROXY_UID,
      runAsNonRoot: true,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumeMounts: [
      choices.podCertificate
        ? { name: VOLUMES.identity, mountPath: `${MOUNTS}/identity`, readOnly: true }
        : { name: VOLUMES.token, mountPath: `${MOUNTS}/token`, readOnly: true },
      { name: VOLUMES.trust, mountPath: `${MOUNTS}/trust`, readOnly: true },
      { name: VOLUMES.state, mountPath: `${MOUNTS}/state` },
    ],
  };
}

/** The probes as the value of an environment variable, in which a dollar sign would begin a reference. */
export function probesValue(targets: Readonly<Record<string, ProbeTarget>>): string {
  return JSON.stringify(targets).replaceAll('$', '$$$$');
}

/** The original probes as the value of an annotation. */
export function originalsValue(originals: Originals): string {
  return JSON.stringify(originals);
}

function skipOption(name: string, ports: readonly number[]): readonly (readonly [string, string])[] {
  return ports.length === 0 ? [] : [[name, ports.join(',')]];
}

/** Said only where it is not as usual, so that other pods stay as they are; opaque ports always, see `toWorkload`. */
function renderChoices({
  accessLog,
  workers,
  opaquePorts,
  podCertificate,
}: ProxyChoices): readonly Variable[] {
  return [
    { name: names.OPAQUE_PORTS_VARIABLE, value: opaquePorts.join(',') },
    ...(podCertificate ? [{ name: names.POD_CERTIFICATE_VARIABLE, value: 'enabled' }] : []),
    ...(accessLog === undefined
      ? []
      : [{ name: 'WEFT_ACCESS_LOG', value: accessLog ? 'enabled' : 'disabled' }]),
    ...(workers === 1 ? [] : [{ name: 'WEFT_WORKERS', value: String(workers) }]),
  ];
}

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } };
}

function renderEnv(
  pod: Pod,
  settings: InjectionSettings,
  targets: Readonly<Record<string, ProbeTarget>>,
): readonly Variable[] {
  const { revision, systemNamespace, clusterDomain } = settings;
  const values: Readonly<Record<string, string>> = {
    WEFT_CONTROL_PLANE_HOST: `${names.revisionName(revision)}.${systemNamespace}.svc.${clusterDomain}`,
    WEFT_CSR_PORT: String(names.ControlPlanePort.csr),
    WEFT_CONFIG_PORT: String(names.ControlPlanePort.config),
    WEFT_TRUST_DOMAIN: settings.trustDomain,
    WEFT_SYSTEM_NAMESPACE: systemNamespace,
    WEFT_LOG: settings.proxyLog,
    WEFT_DRAIN_SECONDS: String(drainSeconds(pod)),
    [PROBES_VARIABLE]: probesValue(targets),
  };
  const fields: Readonly<Record<string, string>> = {
    WEFT_POD_NAME: 'metadata.name',
    WEFT_POD_NAMESPACE: 'metadata.namespace',
    WEFT_POD_UID: 'metadata.uid',
    WEFT_SERVICE_ACCOUNT: 'spec.serviceAccountName',
    WEFT_POD_IPS: 'status.podIPs',
  };
  return [
    ...Object.entries(fields).map(([name, fieldPath]) => ({ name, valueFrom: { fieldRef: { fieldPath } } })),
    ...Object.entries(values).map(([name, value]) => ({ name, value })),
  ];
}

function drainSeconds(pod: Pod): number {
  const grace = pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  return Math.max(1, grace - SPARE_SECONDS);
}

function renderResources(resources: ProxyResources): Readonly<Record<string, unknown>> {
  const requests = present({ cpu: resources.cpuRequest, memory: resources.memoryRequest });
  const limits = present({ cpu: resources.cpuLimit, memory: resources.memoryLimit });
  return { ...(requests === undefined ? {} : { requests }), ...(limits === undefined ? {} : { limits }) };
}

function present(amounts: Readonly<Record<string, string | undefined>>): Record<string, string> | undefined {
  const given = Object.entries(amounts).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return given.length === 0 ? undefined : Object.fromEntries(given);
}
