import { describe, expect, test } from '@jest/globals';
import { aPolicy, aService, aShop, anAddress, anEndpointSet } from '../../testing/mesh.js';
import { compileDestination } from './compile-destination.js';
import type { CompiledDestination } from '../words/destination.js';
import type { Mesh } from '../tables/mesh.js';

function compiled(mesh: Mesh): CompiledDestination {
  const result = compileDestination(mesh, { kind: 'service', service: 'shop/reviews', port: 8080 }, 'web');
  if (result === undefined) throw new Error('not compiled');
  return result;
}

describe('what a Service itself says about the endpoints that a caller gets', () => {
  const ON_NODES = [
    anAddress('10.244.0.1', 'a', { node: 'n1', forNode: 'n3' }),
    anAddress('10.244.0.2', 'b', { node: 'n2' }),
    anAddress('10.244.0.3', 'c', { node: 'n2', ready: false, terminating: true }),
    anAddress('192.0.2.1', undefined, { node: 'n4', ready: false, terminating: true }),
  ];

  test('where nobody asks for nodes nobody is told of them', () => {
    const mesh = aShop();
    mesh.endpointSets.set(anEndpointSet(ON_NODES));
    const { endpoints, backends: listed } = compiled(mesh).destination;
    expect(endpoints.map(({ address, node }) => [address, node])).toEqual([
      ['10.244.0.1', undefined],
      ['10.244.0.2', undefined],
    ]);
    expect(listed[0]).not.toHaveProperty('node');
  });

  test('where a node is preferred its hint counts before the node itself, and an old proxy may ignore it', () => {
    const mesh = aShop();
    mesh.endpointSets.set(anEndpointSet(ON_NODES));
    mesh.services.set(aService({ node: 'prefer', prefersClose: true }));
    const { endpoints, backends: listed, criticalFeatures } = compiled(mesh).destination;
    expect(endpoints.map(({ node }) => node)).toEqual(['n3', 'n2']);
    expect(listed).toMatchObject([{ node: 'prefer' }]);
    expect(criticalFeatures).toEqual(['load-balancer.zone']);
  });

  test('where callers get their own node only, what terminates serves on nodes without a ready endpoint', () => {
    const mesh = aShop();
    mesh.endpointSets.set(anEndpointSet(ON_NODES));
    mesh.services.set(aService({ node: 'only' }));
    const { endpoints, backends: listed, criticalFeatures } = compiled(mesh).destination;
    expect(endpoints.map(({ address, node }) => [address, node])).toEqual([
      ['10.244.0.1', 'n1'],
      ['10.244.0.2', 'n2'],
      ['192.0.2.1', 'n4'],
    ]);
    expect(listed).toMatchObject([{ node: 'only' }]);
    expect(criticalFeatures).toEqual(['backend.node']);
  });

  test.each([
    ['no policy', undefined, 10_800],
    ['a policy about zones', { algorithm: 'peakEwma', zone: 'prefer' } as const, 10_800],
    ['a policy with an algorithm', { algorithm: 'leastRequest' } as const, undefined],
    ['a policy with a hash', { algorithm: 'maglev', hash: [{ kind: 'path' }] } as const, undefined],
  ])('callers keep to an endpoint where the Service says so, with %s', (_what, loadBalancer, expected) => {
    const mesh = aShop();
    mesh.services.set(aService({ affinitySeconds: 10_800 }));
    if (loadBalancer !== undefined) mesh.policies.set(aPolicy('near', { loadBalancer }));
    expect(compiled(mesh).destination.backends[0]?.affinitySeconds).toBe(expected);
  });

  test('the key of sessions goes only where sessions are kept, and a new one makes everything dirty', () => {
    const mesh = aShop();
    const session = { carrier: 'cookie', name: 'sid' } as const;
    const key = new Uint8Array(32).fill(7);
    expect(mesh.setSessionKey(key)).toEqual(new Set(['mesh']));
    expect(mesh.setSessionKey(new Uint8Array(key))).toEqual(new Set());
    expect(compiled(mesh).destination).not.toHaveProperty('sessionKey');
    mesh.policies.set(aPolicy('kept', { routes: [{ name: 'all', matches: [], split: [], session }] }));
    expect(compiled(mesh).destination.sessionKey).toEqual(key);
  });
});
