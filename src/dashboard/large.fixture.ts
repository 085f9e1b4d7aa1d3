import { ApiServer } from '../testing/index.js';
import { putPod } from './mesh.fixture.js';
import { scrape } from './shop.fixture.js';

const NAMESPACES = 10;
const WORKLOADS = 20;
const REPLICAS = 3;

/** Pods of the large mesh that are there and not ended. */
export const LARGE_PODS = NAMESPACES * WORKLOADS * REPLICAS + 2;

/**
 * An API server that knows ten namespaces of sixty meshed pods, each workload calling the next of its namespace. In one
 * namespace a pod is not ready, in another calls fail, in a third a pod has a long name and another has ended.
 */
export async function startLarge(seconds: () => number): Promise<ApiServer> {
  const api = await ApiServer.start();
  putPod(api, 'weft-default', { namespace: 'weft-system', proxy: false });
  for (let n = 0; n < NAMESPACES; n += 1) {
    const namespace = `team-${n}`;
    api.put('/api/v1/namespaces', {
      metadata: { name: namespace, labels: { 'weft.dev/inject': 'enabled' } },
    });
    for (let pod = 0; pod < WORKLOADS * REPLICAS; pod += 1) putMember(api, namespace, pod, seconds);
  }
  putPod(api, 'starting', { namespace: 'team-6', status: { phase: 'Running', ready: false } });
  putPod(api, 'nightly-report', { namespace: 'team-7', status: { phase: 'Succeeded', ready: false } });
  putPod(api, `a-${'very-'.repeat(30)}long-name`, { namespace: 'team-7' });
  return api;
}

function putMember(api: ApiServer, namespace: string, pod: number, seconds: () => number): void {
  const workload = pod % WORKLOADS;
  const name = `app-${workload}-${Math.floor(pod / WORKLOADS)}`;
  putPod(api, name, { namespace, account: `app-${workload}` });
  api.onGet(`/api/v1/namespaces/${namespace}/pods/${name}-5d9c7b8f6-x2x4q:15121/proxy/metrics`, () => {
    const asked = Math.round(seconds() * 20);
    const failed = namespace === 'team-3' && workload === 4 ? Math.round(asked / 4) : 0;
    if (workload + 1 === WORKLOADS) return scrape();
    const next = `app-${workload + 1}`;
    return scrape({
      direction: 'outbound',
      destination: `${namespace}/${next}:8080`,
      backend: `${namespace}/${next}:8080`,
      peer: `spiffe://cluster.local/ns/${namespace}/sa/${next}`,
      codes: { 200: asked - failed, 503: failed },
    });
  });
}
