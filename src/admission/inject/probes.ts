import { z } from 'zod';
import { MeshError, names } from '../../base/index.js';
import { applicationContainers, probeShape, type Container, type Pod, type Probe } from './pod.js';

const KINDS = ['liveness', 'readiness', 'startup'] as const;
export type ProbeKind = (typeof KINDS)[number];

/** Probes as their author wrote them, by `<container>/<kind>`. */
export type Originals = Readonly<Record<string, Probe>>;

/** A probe that has to point at the proxy, and where it stands in the pod. */
export interface ProbeRewrite {
  readonly path: readonly (string | number)[];
  readonly key: string;
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
 * Probes that still go to the application. Exec probes run inside of the container and stay; so does a probe of a named
 * port that the container does not have, so that the kubelet goes on to say so.
 */
export function probesToRewrite(pod: Pod): readonly ProbeRewrite[] {
  return applicationContainers(pod).flatMap(({ container, path }) =>
    KINDS.flatMap((kind) => {
      const original = container[`${kind}Probe`];
      const key = probeKey(container, kind);
      if (original === undefined || pointsAtProxy(original, key)) return [];
      if (probeTarget(original, container) === undefined) return [];
      return [{ path: [...path, `${kind}Probe`], key, original, replacement: replacementOf(original, key) }];
    }),
  );
}

/**
 * What the proxy has to check for this pod, by `<container>/<kind>`. Rewritten probes of containers that another webhook
 * has taken out since are dropped.
 */
export function probeTargets(pod: Pod, originals: Originals): Readonly<Record<string, ProbeTarget>> {
  const targets: Record<string, ProbeTarget> = {};
  for (const { container } of applicationContainers(pod)) {
    for (const kind of KINDS) {
      const key = probeKey(container, kind);
      const original = originals[key];
      const target = original === undefined ? undefined : probeTarget(original, container);
      if (target !== undefined) targets[key] = target;
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
      'remove the annotation together with the containers weft-init and weft-proxy, and they come anew';
    throw new MeshError(
      'invalid',
      `annotation ${names.Annotation.originalProbes} is not what the webhook wrote; ${remedy}`,
      {
        cause,
      },
    );
  }
}

function probeKey(container: Container, kind: ProbeKind): string {
  return `${container.name}/${kind}`;
}

function probePath(key: string): string {
  return `/probe/${key}`;
}

function pointsAtProxy(probe: Probe, key: string): boolean {
  return probe.httpGet?.port === names.ProxyPort.probe && probe.httpGet.path === probePath(key);
}

/** Everything but the check itself stays: periods, thresholds, timeout and grace period are the author's. */
function replacementOf(original: Probe, key: string): Probe {
  const { httpGet: _http, tcpSocket: _tcp, grpc: _grpc, ...timing } = original;
  return { ...timing, httpGet: { path: probePath(key), port: names.ProxyPort.probe, scheme: 'HTTP' } };
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
