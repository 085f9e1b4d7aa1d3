import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { MeshError, names } from '../../base/index.js';
import { applicationContainers, probeShape, type Container, type Pod, type Probe } from './pod.js';

const PROBES = ['liveness', 'readiness', 'startup'] as const;
const HOOKS = ['postStart', 'preStop'] as const;
type ProbeKind = (typeof PROBES)[number] | (typeof HOOKS)[number];

/** Longest that the kubelet waits for a hook that the pod's author did not bound: it has no limit of its own. */
const HOOK_SECONDS = 3_600;

/** Probes and lifecycle hooks as their author wrote them, by `<container>/<kind>`. */
export type Originals = Readonly<Record<string, Probe>>;

/** A probe or hook that has to point at the proxy, and where it stands in the pod. */
export interface ProbeRewrite {
  readonly path: readonly (string | number)[];
  readonly key: string;
  /** Under which name the proxy serves it. */
  readonly served: string;
  readonly original: Probe;
  readonly replacement: Probe;
}

/** What the proxy checks in place of the kubelet. */
export interface ProbeTarget {
  readonly httpGet?: {
    readonly path: string;
    readonly port: number;
    readonly scheme: string;
    readonly host?: string;
    readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[];
  };
  readonly tcpSocket?: { readonly port: number; readonly host?: string };
  readonly grpc?: { readonly port: number; readonly service?: string };
  readonly timeoutSeconds: number;
}

/**
 * Probes and hooks that still go to the application. What is executed runs inside of the container and stays; so does a
 * check of a named port that the container does not have, so that the kubelet goes on to say so.
 */
export function probesToRewrite(pod: Pod): readonly ProbeRewrite[] {
  return applicationContainers(pod).flatMap(({ container, path }) =>
    checksOf(container).flatMap(({ kind, original, field }) => {
      const key = probeKey(container, kind);
      if (servedName(original, key) !== undefined || probeTarget(original, container) === undefined)
        return [];
      // A probe only looks, and a hook acts: whoever cannot read the pod must not set it off at the proxy's open port.
      const served = isHook(kind) ? `${key}/${randomBytes(16).toString('hex')}` : key;
      const replacement = replacementOf(original, served);
      return [{ path: [...path, ...field], key, served, original, replacement }];
    }),
  );
}

/** What the kubelet calls a container for, and the path of the field that says so. */
function checksOf(
  container: Container,
): readonly { readonly kind: ProbeKind; readonly original: Probe; readonly field: readonly string[] }[] {
  return [
    ...PROBES.map((kind) => ({ kind, original: container[`${kind}Probe`], field: [`${kind}Probe`] })),
    ...HOOKS.map((kind) => ({ kind, original: container.lifecycle?.[kind], field: ['lifecycle', kind] })),
  ].flatMap(({ kind, original, field }) => (original === undefined ? [] : [{ kind, original, field }]));
}

/**
 * What the proxy has to do for this pod, by the name under which it serves it. Rewritten probes of containers that
 * another webhook has taken out since are dropped.
 */
export function probeTargets(
  pod: Pod,
  originals: Originals,
  rewrites: readonly ProbeRewrite[],
): Readonly<Record<string, ProbeTarget>> {
  const fresh = new Map(rewrites.map(({ key, served }) => [key, served]));
  const targets: Record<string, ProbeTarget> = {};
  for (const { container } of applicationContainers(pod)) {
    for (const { kind, original: current } of checksOf(container)) {
      const key = probeKey(container, kind);
      const served = fresh.get(key) ?? servedName(current, key);
      const original = originals[key];
      const target = original === undefined ? undefined : probeTarget(original, container);
      if (served === undefined || target === undefined) continue;
      targets[served] = isHook(kind) ? { ...target, timeoutSeconds: HOOK_SECONDS } : target;
    }
  }
  return targets;
}

/** The originals that an earlier round noted on the pod. */
export function notedOriginals(pod: Pod): Originals {
  const text = pod.metadata.annotations?.[names.Annotation.originalProbes];
  if (text === undefined) return {};
  try {
    return z.record(z.string(), probeShape).parse(JSON.parse(text));
  } catch (cause) {
    const remedy =
      'remove the annotation together with the containers weft-init and weft-proxy; Weft adds them again';
    throw new MeshError(
      'invalid',
      `annotation ${names.Annotation.originalProbes} is not what the webhook wrote; ${remedy}`,
      {
        cause,
      },
    );
  }
}

function isHook(kind: ProbeKind): boolean {
  return HOOKS.some((hook) => hook === kind);
}

function probeKey(container: Container, kind: ProbeKind): string {
  return `${container.name}/${kind}`;
}

const PREFIX = '/probe/';

/** Under which name the proxy serves this probe; undefined where it goes to the application. */
function servedName({ httpGet }: Probe, key: string): string | undefined {
  if (httpGet?.port !== names.ProxyPort.probe) return undefined;
  const served = httpGet.path?.startsWith(PREFIX) === true ? httpGet.path.slice(PREFIX.length) : '';
  return served === key || served.startsWith(`${key}/`) ? served : undefined;
}

/** Everything but the check itself stays: periods, thresholds, timeout and grace period are the author's. */
function replacementOf(original: Probe, served: string): Probe {
  const { httpGet: _http, tcpSocket: _tcp, grpc: _grpc, ...timing } = original;
  return { ...timing, httpGet: { path: PREFIX + served, port: names.ProxyPort.probe, scheme: 'HTTP' } };
}

function probeTarget(probe: Probe, container: Container): ProbeTarget | undefined {
  const check = httpTarget(probe, container) ?? tcpTarget(probe, container) ?? grpcTarget(probe);
  return check === undefined ? undefined : { ...check, timeoutSeconds: probe.timeoutSeconds ?? 1 };
}

type Check = Omit<ProbeTarget, 'timeoutSeconds'>;

function httpTarget({ httpGet }: Probe, container: Container): Check | undefined {
  const port = portNumber(httpGet?.port, container);
  if (httpGet === undefined || port === undefined) return undefined;
  const { host, httpHeaders } = httpGet;
  return {
    httpGet: {
      path: httpGet.path ?? '/',
      port,
      scheme: httpGet.scheme ?? 'HTTP',
      ...(host === undefined ? {} : { host }),
      ...(httpHeaders === undefined ? {} : { httpHeaders }),
    },
  };
}

function tcpTarget({ tcpSocket }: Probe, container: Container): Check | undefined {
  const port = portNumber(tcpSocket?.port, container);
  if (tcpSocket === undefined || port === undefined) return undefined;
  return { tcpSocket: { port, ...(tcpSocket.host === undefined ? {} : { host: tcpSocket.host }) } };
}

function grpcTarget({ grpc }: Probe): Check | undefined {
  if (grpc === undefined) return undefined;
  const service = grpc.service ?? '';
  return { grpc: { port: grpc.port, ...(service === '' ? {} : { service }) } };
}

/** As the kubelet does it: a name means the container's own port of that name, a numeral is a number. */
function portNumber(port: number | string | undefined, container: Container): number | undefined {
  if (typeof port !== 'string') return port;
  if (/^[0-9]+$/.test(port)) return Number(port);
  return container.ports?.find(({ name }) => name === port)?.containerPort;
}
