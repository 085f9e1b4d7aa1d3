import { ApiServer } from '../testing/index.js';
import { idOf, saidEdge } from '../telemetry/seen.fixture.js';
import type { TrafficEdge } from '../telemetry/index.js';
import { CONTROL_PLANE, putPod } from './mesh.fixture.js';
import { putTraffic } from './traffic.fixture.js';

const NAMESPACES = 10;
const WORKLOADS = 50;
const REPLICAS = 3;

/** Calls that the large mesh makes. */
export const LARGE_CALLS = NAMESPACES * (WORKLOADS - 1);

/** Pods of the large mesh that are there and not ended. */
export const LARGE_PODS = NAMESPACES * WORKLOADS * REPLICAS + 2;

/**
 * An API server that knows ten namespaces of fifty workloads with three meshed pods each, each workload calling the next of its namespace. In one
 * namespace a pod is not ready, in another calls fail, in a third a pod has a long name and another has ended.
 */
export async function startLarge(): Promise<ApiServer> {
  const api = await ApiServer.start();
  putPod(api, 'weft-default', { namespace: 'weft-system', proxy: false, labels: CONTROL_PLANE });
  for (let n = 0; n < NAMESPACES; n += 1) {
    const namespace = `team-${n}`;
    api.put('/api/v1/namespaces', {
      metadata: { name: namespace, labels: { 'weft.dev/inject': 'enabled' } },
    });
    for (let pod = 0; pod < WORKLOADS * REPLICAS; pod += 1) putMember(api, namespace, pod);
  }
  putTraffic(api, largeEdges());
  putPod(api, 'starting', { namespace: 'team-6', status: { phase: 'Running', ready: false } });
  putPod(api, 'nightly-report', { namespace: 'team-7', status: { phase: 'Succeeded', ready: false } });
  putPod(api, `a-${'very-'.repeat(30)}long-name`, { namespace: 'team-7' });
  return api;
}

function putMember(api: ApiServer, namespace: string, pod: number): void {
  const workload = pod % WORKLOADS;
  const name = `app-${workload}`;
  const replica = Math.floor(pod / WORKLOADS);
  putPod(api, name, { namespace, account: name, replica });
}

/** Each workload calls the next; in one namespace a quarter of what one asks fails. */
function largeEdges(): TrafficEdge[] {
  const edges: TrafficEdge[] = [];
  for (let n = 0; n < NAMESPACES; n += 1) {
    const namespace = `team-${n}`;
    for (let workload = 0; workload + 1 < WORKLOADS; workload += 1) {
      const [from, to] = [`app-${workload}`, `app-${workload + 1}`];
      const failed = n === 3 && workload === 4 ? 50 : 0;
      const counts = { ok: 200 - failed, serverError: failed };
      const service = `${namespace}/${to}`;
      edges.push(
        saidEdge({
          by: from,
          namespace,
          service,
          backend: `${service}:8080`,
          peer: idOf(to, namespace),
          tls: 'mutual',
          counts,
        }),
        saidEdge({
          by: to,
          namespace,
          direction: 'inbound',
          service,
          peer: idOf(from, namespace),
          tls: 'mutual',
          counts,
        }),
      );
    }
  }
  return edges;
}
