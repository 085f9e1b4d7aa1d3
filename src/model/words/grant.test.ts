import { expect, test } from '@jest/globals';
import {
  POLICY_OF_SHOP,
  aPolicy,
  aPort,
  aService,
  aShop,
  aWorkload,
  anAddress,
  anEndpointSet,
  anEntry,
} from '../../testing/mesh.js';
import { compileDestination } from '../compile/compile-destination.js';
import { judgeRoute } from '../judge/judge-route.js';
import { toMeshRoute } from '../read/gateway-api/to-mesh-route.js';
import type { Grant } from './grant.js';
import { judge } from '../judge/judge.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import type { Policy } from './policy.js';
import { resolve } from '../compile/resolve.js';

const ROUTE_OF_SHOP = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'shop' };
const grant = (fields: Partial<Grant> = {}): Grant => ({
  namespace: 'bank',
  name: 'shop',
  from: [POLICY_OF_SHOP],
  services: ['payments'],
  ...fields,
});

/** The shop, and Service payments of another namespace. */
function shop(): MeshTables {
  const mesh = aShop();
  const ports = [aPort({ port: 80 })];
  mesh.services.set(aService({ namespace: 'bank', name: 'payments', clusterIPs: ['10.96.0.9'], ports }));
  const bank = { cluster: 'default', network: 'default', namespace: 'bank', name: 'pay' };
  mesh.workloads.set(aWorkload('pay', '10.244.0.9', { key: bank }));
  const slice = { namespace: 'bank', name: 'payments-1', service: 'bank/payments' };
  mesh.endpointSets.set(anEndpointSet([anAddress('10.244.0.9', 'pay')], slice));
  return mesh;
}

/** Sends all to the other namespace, and a copy too. */
function sending(namespace: string): Policy {
  const from = { ...POLICY_OF_SHOP, namespace };
  const service = { namespace: 'bank', name: 'payments', port: 80, from };
  const mirror = {
    service,
    fallback: false,
    portion: { numerator: 1, denominator: 1 },
    field: 'spec.routes[0].mirror[0]',
  };
  const routes = [{ name: 'r', matches: [], split: [anEntry({ service })], mirrors: [mirror] }];
  return aPolicy('p', { routes }, { namespace });
}

/** Addresses that requests and copies of a caller go to. */
function reached(mesh: MeshTables, consumer: string): string[] {
  const ref = resolve(mesh, 'ip/10.96.0.5:8080')!;
  const { endpoints, backends, routes } = compileDestination(mesh, ref, consumer)!.destination;
  // Before it may stand a route for bytes, which those of Gateway API are not about.
  const route = routes.at(-1);
  return [...route!.split, ...(route!.mirrors ?? [])].flatMap(({ backend }) =>
    backends[backend]!.endpoints.map((index) => endpoints[index]!.address),
  );
}

test('who speaks for a Service sends its callers to another namespace only where that one permits it', () => {
  const mesh = shop();
  mesh.policies.set(sending('shop'));
  expect(reached(mesh, 'web')).toEqual([]);
  expect(
    judge(mesh, sending('shop')).map(({ condition, reason, field }) => [condition, reason, field]),
  ).toEqual([
    ['ResolvedRefs', 'RefNotPermitted', 'spec.routes[0].split[0].service'],
    ['ResolvedRefs', 'RefNotPermitted', 'spec.routes[0].mirror[0].service'],
  ]);
  mesh.grants.set(grant());
  expect(reached(mesh, 'web')).toEqual(['10.244.0.9', '10.244.0.9']);
  expect(judge(mesh, sending('shop'))).toEqual([]);
  mesh.grants.delete('bank/shop');
  expect(reached(mesh, 'web')).toEqual([]);
});

test('a consumer sends its own requests where it likes', () => {
  const mesh = shop();
  mesh.policies.set(sending('web'));
  expect(reached(mesh, 'web')).toEqual(['10.244.0.9', '10.244.0.9']);
  expect(judge(mesh, sending('web'))).toEqual([]);
});

test.each([
  ['of another namespace', { namespace: 'elsewhere' }],
  ['for another Service', { services: ['ledger'] }],
  ['for objects of another namespace', { from: [{ ...POLICY_OF_SHOP, namespace: 'web' }] }],
  ['for another kind', { from: [ROUTE_OF_SHOP] }],
  ['for no object', { from: [] }],
])('a grant %s permits nothing', (_what, fields) => {
  const mesh = shop();
  mesh.policies.set(sending('shop'));
  mesh.grants.set(grant(fields));
  expect(reached(mesh, 'web')).toEqual([]);
});

test('a grant makes what depends on the Services of its namespace dirty, and the same grant again does not', () => {
  const mesh = shop();
  expect([...mesh.grants.set(grant())]).toEqual(['service/bank/payments', 'spec/bank/payments']);
  expect([...mesh.grants.set(grant())]).toEqual([]);
  expect([...mesh.grants.delete('bank/shop')]).toEqual(['service/bank/payments', 'spec/bank/payments']);
});

const httpRoute = (namespace: string) =>
  toMeshRoute('HTTPRoute', {
    metadata: { name: 'r', namespace, uid: 'r', generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 'reviews', namespace: 'shop' }],
      rules: [{ backendRefs: [{ name: 'payments', namespace: 'bank', port: 80 }] }],
    },
  })!;

test.each([
  ['a producer without a grant', 'shop', undefined, 'RefNotPermitted'],
  ['a producer with a grant for policies', 'shop', POLICY_OF_SHOP, 'RefNotPermitted'],
  ['a producer with a grant for routes', 'shop', ROUTE_OF_SHOP, 'ResolvedRefs'],
  ['a consumer', 'web', undefined, 'ResolvedRefs'],
])('an HTTPRoute of %s', (_what, namespace, from, reason) => {
  const mesh = shop();
  if (from !== undefined) mesh.grants.set(grant({ from: [from] }));
  mesh.routes.set(httpRoute(namespace));
  const [verdict] = judgeRoute(mesh, httpRoute(namespace));
  expect(verdict?.resolvedRefs.reason).toBe(reason);
  expect(reached(mesh, 'web')).toEqual(reason === 'ResolvedRefs' ? ['10.244.0.9'] : []);
});
