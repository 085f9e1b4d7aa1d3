import { describe, expect, test } from '@jest/globals';
import { aBackendPolicy, serviceTarget } from '../../testing/backend-policies.js';
import { aRoute } from '../../testing/gateway-routes.js';
import { aService, aShop } from '../../testing/mesh.js';
import { compileDestination } from './compile-destination.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import { DEFAULT_BUDGET } from '../words/policy.js';
import { toPolicy } from '../read/to-policy.js';

const retry = { attempts: 1, codes: [503] };
const to = (name: string, weight = 1): object => ({ name, port: 8080, weight });
const routed = (backendRefs: readonly object[], more: object = { retry }) =>
  aRoute('r', [{ backendRefs, ...more }]);

/** shop/reviews, and shop/v1 and shop/v2 that may stand behind it. */
function shop(): MeshTables {
  const mesh = aShop();
  for (const name of ['v1', 'v2']) mesh.services.set(aService({ name, clusterIPs: [] }));
  return mesh;
}

function bound(mesh: MeshTables, service: string, percent: number, createdAt?: string): void {
  const fields = { targets: [serviceTarget(service)], ...(createdAt === undefined ? {} : { createdAt }) };
  const policy = aBackendPolicy(
    `${service}-${percent}`,
    { retryConstraint: { budget: { percent } } },
    fields,
  );
  mesh.backendPolicies.set(policy);
}

function attach(mesh: MeshTables, kind: string, name: string, route: object): void {
  const { policy } = toPolicy({
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { name: 'tp', namespace: 'shop', uid: 'tp', generation: 1, creationTimestamp: '' },
    spec: { targetRefs: [{ kind, name }], routes: [route] },
  });
  mesh.policies.set(policy!);
}

/** Of the only route to shop/reviews. */
function compiled(mesh: MeshTables) {
  const ref = { kind: 'service', service: 'shop/reviews', port: 8080 } as const;
  return compileDestination(mesh, ref, 'web')!.destination.routes.find(
    ({ bytesOnly }) => bytesOnly !== true,
  )!;
}

type Change = (mesh: MeshTables) => void;
const cases: readonly [what: string, percent: number | undefined, change: Change][] = [
  ['nobody says anything', 20, (mesh) => mesh.routes.set(routed([to('v1')]))],
  [
    'its backend is bounded',
    5,
    (mesh) => {
      mesh.routes.set(routed([to('v1')]));
      bound(mesh, 'v1', 5);
    },
  ],
  [
    'only the Service that was asked for is bounded, and nothing goes there',
    20,
    (mesh) => {
      mesh.routes.set(routed([to('v1')]));
      bound(mesh, 'reviews', 5);
    },
  ],
  [
    'a policy sends to the Service itself',
    5,
    (mesh) => {
      attach(mesh, 'Service', 'reviews', { retries: {} });
      bound(mesh, 'reviews', 5);
    },
  ],
  [
    'of two backends one has a smaller share',
    5,
    (mesh) => {
      mesh.routes.set(routed([to('v1'), to('v2')]));
      bound(mesh, 'v1', 50);
      bound(mesh, 'v2', 5);
    },
  ],
  [
    'a backend without weight gets nothing',
    50,
    (mesh) => {
      mesh.routes.set(routed([to('v1'), to('v2', 0)]));
      bound(mesh, 'v1', 50);
      bound(mesh, 'v2', 5);
    },
  ],
  [
    'the older of two on one Service',
    50,
    (mesh) => {
      mesh.routes.set(routed([to('v1')]));
      bound(mesh, 'v1', 5);
      bound(mesh, 'v1', 50, '2025-01-01T00:00:00Z');
    },
  ],
  [
    'a TrafficPolicy on the Service has a budget of its own',
    30,
    (mesh) => {
      attach(mesh, 'Service', 'reviews', { retries: { budget: { percent: 30 } } });
      bound(mesh, 'reviews', 5);
    },
  ],
  [
    'a TrafficPolicy on the route has a budget of its own',
    30,
    (mesh) => {
      mesh.routes.set(routed([to('v1')]));
      attach(mesh, 'HTTPRoute', 'r', { retries: { budget: { percent: 30 } } });
      bound(mesh, 'v1', 5);
    },
  ],
  [
    'a TrafficPolicy on the route has none',
    5,
    (mesh) => {
      mesh.routes.set(routed([to('v1')], {}));
      attach(mesh, 'HTTPRoute', 'r', { retries: { attempts: 2 } });
      bound(mesh, 'v1', 5);
    },
  ],
  [
    'nothing is sent again',
    undefined,
    (mesh) => {
      mesh.routes.set(routed([to('v1')], {}));
      bound(mesh, 'v1', 5);
    },
  ],
];

describe('how sessions are kept', () => {
  const keep = (mesh: MeshTables, service: string, sessionName: string): void => {
    const targets = [serviceTarget(service)];
    mesh.backendPolicies.set(aBackendPolicy(service, { sessionPersistence: { sessionName } }, { targets }));
  };
  const byRule = { sessionPersistence: { sessionName: 'rule' } };

  test.each<[string, string | undefined, Change]>([
    ['nobody says anything', undefined, (mesh) => mesh.routes.set(routed([to('v1')], {}))],
    ['the rule does', 'rule', (mesh) => mesh.routes.set(routed([to('v1')], byRule))],
    ['only its Service does, without routes', 'service', (mesh) => keep(mesh, 'reviews', 'service')],
    [
      'one of two backends does',
      'v2',
      (mesh) => {
        mesh.routes.set(routed([to('v1'), to('v2')], {}));
        keep(mesh, 'v2', 'v2');
      },
    ],
    [
      'both rule and backend do',
      'rule',
      (mesh) => {
        mesh.routes.set(routed([to('v1')], byRule));
        keep(mesh, 'v1', 'v1');
      },
    ],
    [
      'a TrafficPolicy on the Service does',
      'tp',
      (mesh) => attach(mesh, 'Service', 'reviews', { session: { cookie: { name: 'tp' } } }),
    ],
  ])('where %s: %s', (_what, name, change) => {
    const mesh = shop();
    change(mesh);
    expect(compiled(mesh).session?.name).toBe(name);
  });
});

test.each(cases)('where %s, retries are bounded to %s %%', (_what, percent, change) => {
  const mesh = shop();
  change(mesh);
  expect(compiled(mesh).retries?.budget.percent).toBe(percent);
});

test('copies of what is slow count in the same budget, and the usual one is whole', () => {
  const mesh = shop();
  attach(mesh, 'Service', 'reviews', { retries: {}, hedging: { delay: '1s' } });
  expect(compiled(mesh)).toMatchObject({
    retries: { budget: DEFAULT_BUDGET },
    hedging: { budget: DEFAULT_BUDGET },
  });
  bound(mesh, 'reviews', 5);
  const budget = { ...DEFAULT_BUDGET, percent: 5 };
  expect(compiled(mesh)).toMatchObject({ retries: { budget }, hedging: { budget } });
});
