import { apply, kubectl } from './run.js';

const IMAGE = 'docker.io/weft/testapp:dev';

export interface App {
  readonly namespace: string;
  readonly name: string;
  /** Label `app` and Service name; default: the name. Several Apps with one service are its versions. */
  readonly service?: string;
  readonly version?: string;
  readonly replicas?: number;
  readonly serviceAccount?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly upstreams?: readonly string[];
  /** Merged into the pod's spec. */
  readonly podSpec?: Readonly<Record<string, unknown>>;
  /** Merged into the application's container. */
  readonly container?: Readonly<Record<string, unknown>>;
}

/** Namespace, meshed unless told otherwise. */
export function namespace(
  name: string,
  labels: Record<string, string> = { 'weft.dev/inject': 'enabled' },
): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

/** Service account, Deployment and dual-stack Service of one application: HTTP 8080, gRPC 9090, TCP 7000 and 7001. */
export function app(spec: App): object[] {
  const service = spec.service ?? spec.name;
  const serviceAccount = spec.serviceAccount ?? service;
  const metadata = (name: string): object => ({ name, namespace: spec.namespace });
  const labels = { app: service, version: spec.version ?? 'v1', ...spec.labels };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata(serviceAccount) },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: metadata(spec.name),
      spec: {
        replicas: spec.replicas ?? 1,
        selector: { matchLabels: { deployment: spec.name } },
        template: {
          metadata: { labels: { ...labels, deployment: spec.name }, annotations: spec.annotations ?? {} },
          spec: { serviceAccountName: serviceAccount, containers: [container(spec)], ...spec.podSpec },
        },
      },
    },
    serviceOf(spec.namespace, service),
  ];
}

/** The application's container alone, for pods that are no Deployment. */
export function container(spec: Pick<App, 'name' | 'version' | 'upstreams' | 'container'>): object {
  return {
    name: 'app',
    image: IMAGE,
    imagePullPolicy: 'IfNotPresent',
    command: ['/testapp', 'serve', '--name', spec.name, '--version', spec.version ?? 'v1'],
    args: [
      '--grpc',
      ':9090',
      '--tcp',
      ':7000',
      '--greet',
      ':7001',
      '--upstreams',
      (spec.upstreams ?? []).join(','),
    ],
    ports: [{ containerPort: 8080 }, { containerPort: 9090 }, { containerPort: 7000 }],
    readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 },
    ...spec.container,
  };
}

function serviceOf(namespace: string, name: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: {
      selector: { app: name },
      ipFamilyPolicy: 'PreferDualStack',
      ports: [
        { name: 'http', port: 8080 },
        { name: 'grpc', port: 9090, appProtocol: 'kubernetes.io/h2c' },
        { name: 'tcp', port: 7000 },
        { name: 'tcp-greet', port: 7001 },
      ],
    },
  };
}

/** Applies applications and waits until every Deployment of theirs is rolled out. */
export async function deploy(...apps: App[]): Promise<void> {
  await apply(apps.flatMap(app));
  for (const { namespace, name } of apps) {
    await kubectl('rollout', 'status', '-n', namespace, `deployment/${name}`, '--timeout=120s');
  }
}

/** Runs a testapp command inside a pod, through its proxy where it has one. */
export async function inPod(namespace: string, target: string, ...command: string[]): Promise<string> {
  return kubectl('exec', '-n', namespace, target, '-c', 'app', '--', '/testapp', ...command);
}

/** Quantiles of latencies; absent where there were none. */
export type Millis = Record<'p50' | 'p90' | 'p99' | 'max', number>;

/** What `testapp load` prints. */
export interface LoadReport {
  readonly requests: number;
  readonly statuses: Record<string, number>;
  readonly versions: Record<string, number>;
  readonly lastSeen: Record<string, number>;
  readonly failures: Record<string, number>;
  readonly failed: number;
  /** Took longer than `-late`, a second by default; and when the last that did, or failed, was done with, in Unix milliseconds, or 0. */
  readonly late: number;
  readonly lastBad: number;
  /** Of all requests; and of those that did not fail. */
  readonly millis: Millis;
  readonly okMillis: Millis;
  readonly seconds: number;
}

export async function load(namespace: string, target: string, ...flags: string[]): Promise<LoadReport> {
  return JSON.parse(await inPod(namespace, target, 'load', ...flags)) as LoadReport;
}
