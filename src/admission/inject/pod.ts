import { z } from 'zod';
import { MeshError, names } from '../../base/index.js';

const portShape = z.union([z.int(), z.string()]);

/** A probe; the fields that say when and how often are kept as they are, unread. */
export const probeShape = z.looseObject({
  httpGet: z
    .looseObject({
      path: z.string().optional(),
      port: portShape,
      scheme: z.string().optional(),
      host: z.string().optional(),
      httpHeaders: z.array(z.looseObject({ name: z.string(), value: z.string().default('') })).optional(),
    })
    .optional(),
  tcpSocket: z.looseObject({ port: portShape, host: z.string().optional() }).optional(),
  grpc: z.looseObject({ port: z.int(), service: z.string().nullish() }).optional(),
  timeoutSeconds: z.int().optional(),
});

/** What the kubelet does after a container has started, or before it is stopped; `tcpSocket` does nothing there. */
const hookShape = probeShape.pick({ httpGet: true });

const containerShape = z.looseObject({
  name: z.string(),
  ports: z.array(z.looseObject({ name: z.string().optional(), containerPort: z.int() })).optional(),
  env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })).optional(),
  securityContext: z.looseObject({ runAsUser: z.int().optional() }).optional(),
  volumeMounts: z.array(z.looseObject({ name: z.string() })).optional(),
  livenessProbe: probeShape.optional(),
  readinessProbe: probeShape.optional(),
  startupProbe: probeShape.optional(),
  lifecycle: z.looseObject({ postStart: hookShape.optional(), preStop: hookShape.optional() }).optional(),
});

const amounts = z.record(z.string(), z.unknown()).optional();

const podShape = z.looseObject({
  metadata: z.looseObject({
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  spec: z.looseObject({
    containers: z.array(containerShape),
    initContainers: z.array(containerShape).optional(),
    volumes: z.array(z.looseObject({ name: z.string() })).optional(),
    hostNetwork: z.boolean().optional(),
    hostUsers: z.boolean().optional(),
    dnsPolicy: z.string().optional(),
    os: z.looseObject({ name: z.string() }).optional(),
    securityContext: z.looseObject({ runAsUser: z.int().optional() }).optional(),
    terminationGracePeriodSeconds: z.int().optional(),
    /** Of the pod as a whole (beta since Kubernetes 1.34). */
    resources: z.looseObject({ requests: amounts, limits: amounts }).optional(),
  }),
});

/** The part of a pod that injection looks at; everything else is carried along. */
export type Pod = z.infer<typeof podShape>;
export type Container = z.infer<typeof containerShape>;
export type Probe = z.infer<typeof probeShape>;

/** Reads the object of a review; throws `invalid` where it is no pod. */
export function parsePod(object: unknown): Pod {
  const parsed = podShape.safeParse(object);
  if (!parsed.success)
    throw new MeshError('invalid', `the object is not a pod: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** A container with the path of JSON Pointer segments that leads to it. */
export interface Placed {
  readonly container: Container;
  readonly path: readonly (string | number)[];
}

/** Init containers first, as they start; ours are left out. */
export function applicationContainers(pod: Pod): readonly Placed[] {
  return placedContainers(pod).filter(({ container }) => !OURS.has(container.name));
}

export function placedContainers(pod: Pod): readonly Placed[] {
  const place = (list: 'initContainers' | 'containers'): Placed[] =>
    (pod.spec[list] ?? []).map((container, index) => ({ container, path: ['spec', list, index] }));
  return [...place('initContainers'), ...place('containers')];
}

const OURS: ReadonlySet<string> = new Set([names.INIT_CONTAINER, names.PROXY_CONTAINER]);
