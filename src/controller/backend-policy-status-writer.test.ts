import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ApiServer } from '../testing/api-server.js';
import { backendPolicyObject, serviceTarget } from '../testing/backend-policies.js';
import { untilPasses } from '../testing/until-passes.js';
import type { Collector } from './collector.js';
import { keepStatuses } from './statuses.fixture.js';

const POLICIES = '/apis/gateway.networking.x-k8s.io/v1alpha1/xbackendtrafficpolicies';
const spec = { retryConstraint: {} };
const others = {
  ancestorRef: { kind: 'Gateway', name: 'edge' },
  controllerName: 'example.net/gateway',
  conditions: [{ type: 'Accepted', status: 'True', custom: 1 }],
};

let server: ApiServer;
let collector: Collector;
let stop: AbortController;
let running: Promise<unknown>;

beforeEach(async () => {
  server = await ApiServer.start();
  stop = new AbortController();
  server.put('/api/v1/services', {
    metadata: { name: 'reviews', namespace: 'shop' },
    spec: { type: 'ClusterIP', clusterIPs: ['10.96.0.5'], ports: [{ port: 8080 }] },
  });
  ({ collector, running } = keepStatuses(server, ['services', 'backendPolicies'], stop.signal));
});

afterEach(async () => {
  stop.abort();
  await running;
  await server.stop();
});

function put(object: ReturnType<typeof backendPolicyObject>, status?: unknown): void {
  server.put(POLICIES, status === undefined ? object : { ...object, status });
}

const statusOf = (name: string) =>
  server.get(POLICIES, { namespace: 'shop', name })?.['status'] as { ancestors?: unknown[] } | undefined;

/** An entry of ours for a Service of the namespace. */
function ours(name: string, condition: object): object {
  return {
    ancestorRef: { group: '', kind: 'Service', namespace: 'shop', name },
    controllerName: 'weft.dev/mesh-controller',
    conditions: [expect.objectContaining({ type: 'Accepted', ...condition })],
  };
}

test("writes an entry for each Service, keeps other controllers' and takes its own stale ones away", async () => {
  const stale = { ...others, controllerName: 'weft.dev/mesh-controller' };
  const targets = [
    serviceTarget('reviews'),
    serviceTarget('gone'),
    { ...serviceTarget('b'), kind: 'XBackend' },
  ];
  put(backendPolicyObject('p', spec, { targets, generation: 4 }), { ancestors: [stale, others] });
  await untilPasses(() =>
    expect(statusOf('p')?.ancestors).toEqual([
      others,
      ours('reviews', { status: 'True', reason: 'Accepted', observedGeneration: 4 }),
      ours('gone', { status: 'False', reason: 'TargetNotFound', observedGeneration: 4 }),
    ]),
  );
});

test('follows edits, the policies beside it and its own end, and then is quiet', async () => {
  put(backendPolicyObject('p', spec));
  await untilPasses(() =>
    expect(statusOf('p')?.ancestors).toEqual([
      ours('reviews', { reason: 'Accepted', observedGeneration: 1 }),
    ]),
  );
  put(backendPolicyObject('first', spec, { createdAt: '2025-01-01T00:00:00Z' }));
  await untilPasses(() =>
    expect(statusOf('p')?.ancestors).toEqual([
      ours('reviews', { reason: 'Conflicted', observedGeneration: 1 }),
    ]),
  );
  put(
    backendPolicyObject('p', { ...spec, sessionPersistence: { type: 'Soon' } }, { generation: 2 }),
    statusOf('p'),
  );
  await untilPasses(() =>
    expect(statusOf('p')?.ancestors).toEqual([ours('reviews', { reason: 'Invalid', observedGeneration: 2 })]),
  );
  const writes = () => server.requests.filter(({ method }) => method === 'PATCH').length;
  const before = writes();
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(writes()).toBe(before);
  expect(collector.mesh.backendPoliciesOn('shop/reviews')).toHaveLength(2);
  server.remove(POLICIES, { namespace: 'shop', name: 'first' });
  await untilPasses(() => expect(collector.mesh.backendPoliciesOn('shop/reviews')).toHaveLength(1));
});

test('where the list is full of others, nothing is added', async () => {
  const full = Array.from({ length: 15 }, (_, i) => ({ ...others, controllerName: `example.net/${i}` }));
  const targets = [serviceTarget('reviews'), serviceTarget('gone')];
  put(backendPolicyObject('p', spec, { targets }), { ancestors: full });
  await untilPasses(() => expect(statusOf('p')?.ancestors).toEqual([...full, ours('reviews', {})]));
});
