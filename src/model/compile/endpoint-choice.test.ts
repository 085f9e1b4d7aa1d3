import { describe, expect, test } from '@jest/globals';
import { aPolicy, aService, aShop, aWorkload } from '../../testing/mesh.js';
import { compileDestination } from './compile-destination.js';
import type { CompiledDestination } from '../words/destination.js';
import type { Mesh } from '../tables/mesh.js';

function compiled(mesh: Mesh): CompiledDestination {
  const result = compileDestination(mesh, { kind: 'service', service: 'shop/reviews', port: 8080 }, 'web');
  if (result === undefined) throw new Error('not compiled');
  return result;
}

describe('how an endpoint is chosen', () => {
  test('weights of pods are on their endpoints', () => {
    const mesh = aShop();
    mesh.workloads.set(aWorkload('a', '10.244.0.1', { weight: 300 }));
    expect(compiled(mesh).destination.endpoints.map(({ weight }) => weight)).toEqual([
      300,
      undefined,
      undefined,
    ]);
  });

  test.each([
    ['nobody says anything', false, undefined, undefined],
    ['the Service prefers what is close', true, undefined, 'prefer'],
    ['a policy keeps to the zone', false, 'strict' as const, 'strict'],
    ['a policy overrides the Service', true, 'any' as const, undefined],
  ])('zones, when %s', (_what, prefersClose, zone, expected) => {
    const mesh = aShop();
    mesh.services.set(aService({ prefersClose }));
    if (zone !== undefined)
      mesh.policies.set(aPolicy('near', { loadBalancer: { algorithm: 'peakEwma', zone } }));
    const { loadBalancer, criticalFeatures } = compiled(mesh).destination;
    expect(loadBalancer.zone).toBe(expected);
    expect(criticalFeatures).toEqual(expected === undefined ? [] : ['load-balancer.zone']);
  });
});
