import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ApiServer } from '../testing/api-server.js';
import { routeObject } from '../testing/gateway-routes.js';
import { untilPasses } from '../testing/until-passes.js';
import { keepStatuses } from './statuses.fixture.js';

const HTTP_ROUTES = '/apis/gateway.networking.k8s.io/v1/httproutes';
const AT = { namespace: 'shop', name: 'r' };
const rule = { backendRefs: [{ name: 'reviews', port: 8080 }] };
const parent = { group: '', kind: 'Service', name: 'reviews' };
const others = {
  parentRef: { name: 'edge' },
  controllerName: 'example.net/gateway',
  conditions: [{ type: 'Accepted', status: 'True', custom: 1 }],
};

let server: ApiServer;
let stop: AbortController;
let running: Promise<unknown>;

beforeEach(async () => {
  server = await ApiServer.start();
  stop = new AbortController();
  server.put('/api/v1/services', {
    metadata: { name: 'reviews', namespace: 'shop' },
    spec: { type: 'ClusterIP', clusterIPs: ['10.96.0.5'], ports: [{ port: 8080 }] },
  });
});

afterEach(async () => {
  stop.abort();
  await running;
  await server.stop();
});

function start(): void {
  ({ running } = keepStatuses(server, ['services', 'httpRoutes', 'grpcRoutes'], stop.signal));
}

function parents(): readonly Record<string, unknown>[] {
  const { status } = server.get(HTTP_ROUTES, AT) as { status?: { parents?: Record<string, unknown>[] } };
  return status?.parents ?? [];
}

function conditions(entry: Record<string, unknown> | undefined): readonly string[] {
  const list = (entry?.['conditions'] ?? []) as Record<string, unknown>[];
  return list.map(({ type, status, reason, observedGeneration }) =>
    [type, status, reason, observedGeneration].join(' '),
  );
}

const writes = () => server.requests.filter(({ method }) => method === 'PATCH').length;

test("writes an entry for each Service, keeps other controllers' and takes its own stale ones away", async () => {
  const stale = {
    ...others,
    parentRef: { ...parent, name: 'old' },
    controllerName: 'weft.dev/mesh-controller',
  };
  const object = routeObject('r', [rule], { parents: [{ name: 'edge' }, parent] });
  server.put(HTTP_ROUTES, { ...object, status: { parents: [stale, others] } });
  start();
  await untilPasses(() => {
    expect(parents().map(({ controllerName }) => controllerName)).toEqual([
      'example.net/gateway',
      'weft.dev/mesh-controller',
    ]);
  });
  const [first, second] = parents();
  expect(first).toEqual(others);
  expect(second!['parentRef']).toEqual(parent);
  expect(conditions(second)).toEqual(['Accepted True Accepted 1', 'ResolvedRefs True ResolvedRefs 1']);
});

test('follows rapid edits, never naming a generation it has not judged, and then is quiet', async () => {
  server.put(HTTP_ROUTES, routeObject('r', [rule]));
  start();
  await untilPasses(() => expect(conditions(parents()[0])).toContain('Accepted True Accepted 1'));
  for (let generation = 2; generation <= 20; generation += 1) {
    const name = generation % 2 === 0 ? 'gone' : 'reviews';
    const edited = routeObject('r', [{ backendRefs: [{ name, port: 8080 }] }], { generation });
    const { status } = server.get(HTTP_ROUTES, AT) as { status?: unknown };
    server.put(HTTP_ROUTES, { ...edited, status });
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const condition of conditions(parents()[0])) {
      const [type, verdict, , observed] = condition.split(' ');
      if (type === 'ResolvedRefs') expect(verdict).toBe(Number(observed) % 2 === 0 ? 'False' : 'True');
    }
  }
  await untilPasses(() =>
    expect(conditions(parents()[0])).toEqual([
      'Accepted True Accepted 20',
      'ResolvedRefs False BackendNotFound 20',
    ]),
  );
  const before = writes();
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(writes()).toBe(before);
});
