import { describe, expect, test } from '@jest/globals';
import { aRoute } from '../../testing/gateway-routes.js';
import { aPolicy, aPort, aService, aShop, anEntry } from '../../testing/mesh.js';
import { compileDestination, destinationKey } from './compile-destination.js';
import { judge } from '../judge/judge.js';
import type { Destination } from '../words/destination.js';
import type { MeshTables } from '../tables/mesh-tables.js';

const ROUTES = { routes: [{ name: 'policy', matches: [], split: [anEntry({ labels: { version: 'v1' } })] }] };
const rule = { backendRefs: [{ name: 'reviews', namespace: 'shop', port: 8080 }] };

const requestRoutes = ({ routes }: Destination) => routes.filter(({ bytesOnly }) => bytesOnly !== true);

function acting(mesh: MeshTables, consumer = 'shop', port = 8080) {
  const ref = { kind: 'service', service: 'shop/reviews', port } as const;
  const compiled = compileDestination(mesh, ref, consumer)!;
  expect(compiled.key).toBe(destinationKey(mesh, ref, consumer));
  return {
    routes: requestRoutes(compiled.destination).map(({ name }) => name),
    sources: compiled.sources.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`),
    view: compiled.key.replace(/.*\//, ''),
  };
}

describe('whose routes win', () => {
  test('GRPCRoutes before HTTPRoutes before those of a TrafficPolicy, which goes on giving the rest', () => {
    const mesh = aShop();
    mesh.policies.set(aPolicy('p', ROUTES));
    expect(acting(mesh).routes).toEqual(['policy']);
    mesh.routes.set(aRoute('http', [rule]));
    expect(acting(mesh)).toMatchObject({
      routes: ['http/rule-0'],
      sources: ['HTTPRoute shop/http', 'TrafficPolicy shop/p'],
    });
    mesh.routes.set(aRoute('grpc', [rule], { kind: 'GRPCRoute' }));
    expect(acting(mesh).routes).toEqual(['grpc/rule-0']);
    mesh.routes.delete('shop/grpc');
    mesh.routes.delete('shop/http');
    expect(acting(mesh)).toMatchObject({ routes: ['policy'], sources: ['TrafficPolicy shop/p'] });
  });

  test('port by port', () => {
    const mesh = aShop();
    const ports = [
      aPort({ name: 'http' }),
      aPort({ name: 'grpc', port: 9090 }),
      aPort({ name: 'x', port: 81 }),
    ];
    mesh.services.set(aService({ ports }));
    const parent = { group: '', kind: 'Service', name: 'reviews' };
    mesh.routes.set(aRoute('all', [rule]));
    mesh.routes.set(aRoute('grpc', [rule], { kind: 'GRPCRoute', parents: [{ ...parent, port: 9090 }] }));
    mesh.routes.set(aRoute('named', [rule], { parents: [{ ...parent, sectionName: 'x' }] }));
    expect(acting(mesh, 'shop', 8080).routes).toEqual(['all/rule-0']);
    expect(acting(mesh, 'shop', 9090).routes).toEqual(['grpc/rule-0']);
    expect(acting(mesh, 'shop', 81).routes).toEqual(['all/rule-0', 'named/rule-0']);
  });

  test("a consumer's set replaces the producer's, for its own namespace only", () => {
    const mesh = aShop();
    mesh.routes.set(aRoute('producer', [rule]));
    mesh.routes.set(aRoute('own', [rule], { namespace: 'web' }));
    expect(acting(mesh, 'web')).toMatchObject({ routes: ['own/rule-0'], view: 'web' });
    expect(acting(mesh, 'other')).toMatchObject({ routes: ['producer/rule-0'], view: '-' });
    expect(acting(mesh, 'shop')).toMatchObject({ routes: ['producer/rule-0'], view: '-' });
  });

  test("a consumer's TrafficPolicy has its routes, or leaves the producer's HTTPRoutes in force", () => {
    const mesh = aShop();
    mesh.routes.set(aRoute('producer', [rule]));
    mesh.policies.set(aPolicy('own', {}, { namespace: 'web' }));
    expect(acting(mesh, 'web')).toMatchObject({ routes: ['producer/rule-0'], view: 'web' });
    mesh.policies.set(aPolicy('own', ROUTES, { namespace: 'web' }));
    expect(acting(mesh, 'web')).toMatchObject({ routes: ['policy'], view: 'web' });
  });

  test('a port that carries bytes keeps its own way', () => {
    const mesh = aShop();
    mesh.services.set(aService({ ports: [aPort({ name: 'http' }), aPort({ name: 'redis', port: 6379 })] }));
    mesh.routes.set(aRoute('r', [rule]));
    expect(acting(mesh, 'shop', 8080).routes).toEqual(['r/rule-0']);
    expect(acting(mesh, 'shop', 6379).routes).toEqual(['default']);
  });

  test('what turns out to be bytes goes to the Service, whatever the routes for HTTP say', () => {
    const mesh = aShop();
    mesh.services.set(aService({ ports: [aPort(), aPort({ name: 'web', port: 81, appProtocol: 'http' })] }));
    mesh.routes.set(aRoute('r', [rule]));
    const compile = (port: number) =>
      compileDestination(mesh, { kind: 'service', service: 'shop/reviews', port }, 'shop')!.destination;
    expect(compile(8080).routes.map(({ name, bytesOnly }) => [name, bytesOnly])).toEqual([
      ['bytes', true],
      ['r/rule-0', undefined],
    ]);
    expect(compile(8080).criticalFeatures).toContain('route.bytes');
    expect(compile(81).routes.map(({ name }) => name)).toEqual(['r/rule-0']);
    mesh.routes.delete('shop/r');
    mesh.policies.set(aPolicy('p', ROUTES));
    expect(compile(8080).routes.map(({ name }) => name)).toEqual(['policy']);
  });

  test('a headless Service is no parent', () => {
    const mesh = aShop();
    mesh.services.set(aService({ clusterIPs: [], headless: true }));
    mesh.routes.set(aRoute('r', [rule]));
    expect(acting(mesh).routes).toEqual(['default']);
  });
});

describe('a policy on a route', () => {
  const target = { kind: 'HTTPRoute', namespace: 'shop', name: 'r', field: 'spec.targetRefs[0]' } as const;
  const adding = (requestMs: number, section?: string) => ({
    targets: [],
    routeTargets: [{ ...target, ...(section === undefined ? {} : { section }) }],
    routes: [{ name: 'route-0', matches: [], split: [], timeouts: { requestMs } }],
  });
  const timeouts = (mesh: MeshTables) =>
    requestRoutes(
      compileDestination(mesh, { kind: 'service', service: 'shop/reviews', port: 8080 }, 'shop')!.destination,
    ).map(({ name, timeouts }) => [name, timeouts?.requestMs]);
  const rules = [
    { ...rule, name: 'one', timeouts: { request: '9s' }, matches: [{ path: { value: '/one' } }] },
    { ...rule, timeouts: { request: '9s' } },
  ];

  test('adds to every rule, or to the one it names; its words come before those of the rule', () => {
    const mesh = aShop();
    mesh.routes.set(aRoute('r', rules));
    const dirty = mesh.policies.set(aPolicy('p', adding(1)));
    expect(dirty).toEqual(new Set(['service/shop/reviews', 'spec/shop/reviews', 'route/HTTPRoute shop/r']));
    expect(timeouts(mesh)).toEqual([
      ['r/one', 1],
      ['r/rule-1', 1],
    ]);
    expect(acting(mesh).sources).toEqual(['HTTPRoute shop/r', 'TrafficPolicy shop/p']);
    mesh.policies.set(aPolicy('section', adding(2, 'one')));
    expect(timeouts(mesh)).toEqual([
      ['r/one', 2],
      ['r/rule-1', 1],
    ]);
    mesh.policies.delete('shop/p');
    expect(timeouts(mesh)).toEqual([
      ['r/one', 2],
      ['r/rule-1', 9000],
    ]);
  });

  test('of two on one section the oldest wins, and a target that is not there is told', () => {
    const mesh = aShop();
    mesh.routes.set(aRoute('r', rules));
    mesh.policies.set(aPolicy('old', adding(1), { createdAt: '2025-01-01T00:00:00Z' }));
    const younger = aPolicy('a', adding(2));
    mesh.policies.set(younger);
    expect(timeouts(mesh)[0]).toEqual(['r/one', 1]);
    expect(judge(mesh, younger)).toMatchObject([{ reason: 'Conflicted' }]);
    const nowhere = aPolicy('b', adding(3, 'nope'));
    mesh.policies.set(nowhere);
    expect(judge(mesh, nowhere)).toMatchObject([{ condition: 'ResolvedRefs', reason: 'TargetNotFound' }]);
    mesh.routes.delete('shop/r');
    expect(judge(mesh, mesh.policies.get('shop/old')!)).toMatchObject([{ reason: 'TargetNotFound' }]);
  });
});

test('a backend that is not there, or of a kind nobody knows, is invalid and keeps its weight', () => {
  const mesh = aShop();
  const backendRefs = [
    { name: 'reviews', port: 8080, weight: 2 },
    { name: 'gone', port: 80, weight: 1 },
    { group: 'example.net', kind: 'Bucket', name: 'b', weight: 1 },
  ];
  mesh.routes.set(aRoute('r', [{ backendRefs }]));
  const { destination } = compileDestination(
    mesh,
    { kind: 'service', service: 'shop/reviews', port: 8080 },
    'shop',
  )!;
  expect(requestRoutes(destination)[0]!.split.map(({ weight }) => weight)).toEqual([2, 1, 1]);
  expect(destination.backends.map(({ invalid }) => invalid)).toEqual([
    undefined,
    'Service shop/gone does not exist',
    expect.stringContaining('Bucket.example.net'),
  ]);
});
