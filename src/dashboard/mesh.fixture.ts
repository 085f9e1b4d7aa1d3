import { ApiServer, meshContainers } from '../testing/index.js';
import { shopScrapes } from './shop.fixture.js';
import { putShopTraffic } from './traffic.fixture.js';

/** Labels of the control plane's pods. */
export const CONTROL_PLANE = { 'app.kubernetes.io/name': 'weft', 'weft.dev/rev': 'default' };

interface PodOptions {
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly proxy?: boolean;
  readonly account?: string;
  readonly namespace?: string;
  /** Which of several pods of the same name it is. */
  readonly replica?: number;
  readonly status?: { readonly phase: string; readonly ready: boolean };
}

const MESHED = { 'weft.dev/rev': 'default' };

function podName(name: string, replica = 0): string {
  return `${name}-5d9c7b8f6-x2x4${'qwrtzb'[replica] ?? replica}`;
}

/** A pod as the API server tells of it, in the namespace `shop` and injected unless said otherwise. */
export function putPod(api: ApiServer, name: string, options: PodOptions = {}): void {
  const { proxy = true, account = name, namespace = 'shop' } = options;
  const mesh = meshContainers();
  const image = { image: 'docker.io/weft/weft:0.1.0' };
  const sidecars = [
    { ...mesh.init, ...image },
    { ...mesh.proxy, ...image, restartPolicy: 'Always' },
  ];
  api.put('/api/v1/pods', {
    metadata: {
      name: podName(name, options.replica),
      namespace,
      labels: { 'pod-template-hash': '5d9c7b8f6', ...(options.labels ?? MESHED) },
      annotations: options.annotations ?? (proxy ? { 'weft.dev/injection': 'injected' } : {}),
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${name}-5d9c7b8f6`, uid: 'r', controller: true },
      ],
    },
    spec: {
      serviceAccountName: account,
      containers: [{ name: 'app', image: 'shop/app:1' }],
      initContainers: proxy ? sidecars : [],
    },
    status: statusOf(options.status ?? { phase: 'Running', ready: true }),
  });
}

function statusOf({ phase, ready }: { readonly phase: string; readonly ready: boolean }): object {
  return { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] };
}

/**
 * An API server that knows the demo shop, with steady traffic by the given clock (in seconds), a job that was skipped, a
 * pod whose proxy does not answer, and two policies of which one is refused.
 */
export async function startShop(seconds: () => number): Promise<ApiServer> {
  const api = await ApiServer.start();
  api.put('/api/v1/namespaces', { metadata: { name: 'shop', labels: { 'weft.dev/inject': 'enabled' } } });
  api.put('/api/v1/namespaces', { metadata: { name: 'elsewhere' } });
  putPod(api, 'weft-default', { namespace: 'weft-system', proxy: false, labels: CONTROL_PLANE });
  for (const name of Object.keys(shopScrapes(0))) {
    putPod(api, name, { account: name.replace(/-v\d$/, '') });
    api.onGet(metricsPath(name), () => shopScrapes(seconds())[name] ?? '');
  }
  putPod(api, 'mute');
  putPod(api, 'node-agent', {
    labels: {},
    proxy: false,
    annotations: { 'weft.dev/injection': "skipped: hostNetwork pods share the node's network" },
  });
  putPod(api, 'old-timer', { labels: {}, proxy: false });
  putPolicies(api);
  api.put('/apis/apps/v1/deployments', {
    metadata: { name: 'reviews-v2', namespace: 'shop', generation: 1, managedFields: wrote('helm', 22) },
  });
  putShopTraffic(api);
  return api;
}

/** Where the API server serves the metrics of a pod's proxy. */
export function metricsPath(name: string): string {
  return `/api/v1/namespaces/shop/pods/${name}-5d9c7b8f6-x2x4q:15121/proxy/metrics`;
}

/** That a manager wrote an object's spec, minutes ago. */
function wrote(manager: string, minutesAgo: number): object[] {
  const time = new Date(Date.now() - minutesAgo * 60_000).toISOString();
  return [{ manager, operation: 'Update', time, fieldsV1: { 'f:spec': {} } }];
}

function putPolicies(api: ApiServer): void {
  const condition = (type: string, status: string, reason: string, message: string): object => ({
    type,
    status,
    reason,
    message,
    observedGeneration: 1,
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
  api.put('/apis/weft.dev/v1alpha1/trafficpolicies', {
    metadata: {
      name: 'reviews',
      namespace: 'shop',
      generation: 1,
      managedFields: wrote('kubectl-client-side-apply', 10.5),
    },
    spec: {
      targetRefs: [{ kind: 'Service', name: 'reviews', port: 8080 }],
      routes: [
        {
          name: 'testers',
          match: [{ headers: [{ name: 'x-group', exact: 'beta' }] }],
          split: [{ labels: { version: 'v2' } }],
        },
        {
          name: 'canary',
          split: [
            { labels: { version: 'v1' }, weight: 90 },
            { labels: { version: 'v2' }, weight: 10 },
          ],
        },
      ],
    },
    status: {
      conditions: [
        condition('Accepted', 'True', 'Accepted', ''),
        condition('ResolvedRefs', 'True', 'ResolvedRefs', ''),
        condition('Programmed', 'True', 'Programmed', 'acknowledged by all of 2 proxies'),
      ],
    },
  });
  api.put('/apis/weft.dev/v1alpha1/trafficpolicies', {
    metadata: { name: 'basket', namespace: 'shop', generation: 2 },
    spec: { targetRefs: [{ kind: 'Service', name: 'basket' }], routes: [] },
    status: {
      conditions: [
        condition('Accepted', 'True', 'Accepted', ''),
        condition(
          'ResolvedRefs',
          'False',
          'TargetNotFound',
          'spec.targetRefs[0]: there is no Service basket in namespace shop; create it or correct the name',
        ),
      ],
    },
  });
}
