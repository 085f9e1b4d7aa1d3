import { expect, test } from '@jest/globals';
import {
  aPolicy,
  aPort,
  aService,
  aShop as aBareShop,
  anAddress,
  anEndpointSet,
} from '../../testing/mesh.js';
import { compileWorkload } from './compile-workload.js';
import { judge } from '../judge/judge.js';
import type { RateLimit } from '../words/rate-limit.js';
import { toPolicy } from '../read/to-policy.js';

const LIMIT: RateLimit = {
  name: 'all',
  requests: 100,
  perMs: 1_000,
  burst: 100,
  key: [],
  scope: 'Service',
  dryRun: false,
};

/** The shop, whose port says that it speaks HTTP. */
function aShop(appProtocol = 'http'): ReturnType<typeof aBareShop> {
  const mesh = aBareShop();
  mesh.services.set(aService({ ports: [aPort(appProtocol === '' ? {} : { appProtocol })] }));
  return mesh;
}

const limits = (mesh: ReturnType<typeof aShop>, uid = 'a') =>
  compileWorkload(mesh, uid)?.workload.inboundPorts[0]?.rateLimits;

test('the pods of a Service share a limit, or each has it for itself', () => {
  const mesh = aShop();
  const perPod: RateLimit = { ...LIMIT, name: 'each', scope: 'Pod' };
  mesh.policies.set(aPolicy('limits', { rateLimits: [LIMIT, perPod] }));
  expect(limits(mesh)).toMatchObject([
    { policy: 'shop/limits', name: 'all', pods: 3, requests: 100 },
    { policy: 'shop/limits', name: 'each', pods: 1, requests: 100 },
  ]);
  expect(compileWorkload(mesh, 'a')).toMatchObject({
    workload: { criticalFeatures: ['workload.rate-limits'] },
    sources: [{ kind: 'TrafficPolicy', name: 'limits' }],
  });
});

test('what an old proxy would not heed of a limit is named, so that it refuses it as a whole', () => {
  const features = (fields: Partial<RateLimit>): unknown => {
    const mesh = aShop();
    mesh.policies.set(aPolicy('limits', { rateLimits: [LIMIT, { ...LIMIT, name: 'other', ...fields }] }));
    return compileWorkload(mesh, 'a')?.workload.criticalFeatures;
  };
  expect(features({ matches: [{ headers: [], method: 'POST' }] })).toEqual([
    'workload.rate-limits',
    'workload.rate-limits.match',
  ]);
  expect(features({ cost: { amount: 2 } })).toEqual(['workload.rate-limits', 'workload.rate-limits.cost']);
  expect(features({ cost: { amount: 2, field: ['n'] } })).toContain('workload.rate-limits.cost.field');
});

test('a pod that gets ready, or goes, changes the share of the others', () => {
  const mesh = aShop();
  mesh.policies.set(aPolicy('limits', { rateLimits: [LIMIT] }));
  const { depends } = compileWorkload(mesh, 'a')!;
  const two = [anAddress('10.244.0.1', 'a'), anAddress('10.244.0.2', 'b', { ready: false })];
  const dirty = mesh.endpointSets.set(anEndpointSet(two));
  expect(depends.some((key) => dirty.has(key))).toBe(true);
  expect(limits(mesh)).toMatchObject([{ pods: 1 }]);
});

test('a limit of each pod does not follow the others, and no limit follows nothing', () => {
  const mesh = aShop();
  const others = 'service/shop/reviews';
  expect(compileWorkload(mesh, 'a')?.depends).not.toContain(others);
  mesh.policies.set(aPolicy('limits', { rateLimits: [{ ...LIMIT, scope: 'Pod' }] }));
  expect(compileWorkload(mesh, 'a')?.depends).not.toContain(others);
});

test('a policy that comes, changes or goes reaches the pods of its Service', () => {
  const mesh = aShop();
  const { depends } = compileWorkload(mesh, 'a')!;
  const came = mesh.policies.set(aPolicy('limits', { rateLimits: [LIMIT] }));
  const went = mesh.policies.delete('shop/limits');
  for (const dirty of [came, went]) expect(depends.some((key) => dirty.has(key))).toBe(true);
  expect(limits(mesh)).toBeUndefined();
});

test("what a consumer's namespace says does not lift the limits of the Service, and cannot set some", () => {
  const mesh = aShop();
  mesh.policies.set(aPolicy('limits', { rateLimits: [LIMIT] }));
  mesh.policies.set(aPolicy('mine', {}, { namespace: 'web', createdAt: '2025-01-01T00:00:00Z' }));
  expect(limits(mesh)).toHaveLength(1);
  const { policy, problems } = toPolicy({
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { namespace: 'web', name: 'mine' },
    spec: {
      targetRefs: [{ kind: 'Service', name: 'reviews', namespace: 'shop' }],
      rateLimit: [{ requests: 1, per: '1s' }],
    },
  });
  expect(policy).toBeUndefined();
  expect(problems).toMatchObject([
    { field: 'spec.rateLimit', message: expect.stringContaining('create it in shop') },
  ]);
});

test('a pod behind two Services meets the limits of both, and those of one policy on both once', () => {
  const mesh = aShop();
  const ports = [aPort({ appProtocol: 'http' })];
  mesh.services.set(aService({ name: 'alias', clusterIPs: ['10.96.0.6'], ports }));
  mesh.endpointSets.set(
    anEndpointSet([anAddress('10.244.0.1', 'a')], { name: 'alias-1', service: 'shop/alias' }),
  );
  const alias = { service: 'shop/alias', field: 'spec.targetRefs[0]' };
  mesh.policies.set(aPolicy('limits', { rateLimits: [LIMIT] }));
  mesh.policies.set(aPolicy('narrow', { targets: [alias], rateLimits: [{ ...LIMIT, requests: 5 }] }));
  expect(limits(mesh)).toMatchObject([
    { policy: 'shop/narrow', requests: 5, pods: 1 },
    { policy: 'shop/limits', requests: 100, pods: 3 },
  ]);
  mesh.policies.delete('shop/narrow');
  const both = [alias, { service: 'shop/reviews', field: 'spec.targetRefs[1]' }];
  mesh.policies.set(aPolicy('limits', { targets: both, rateLimits: [LIMIT] }));
  expect(limits(mesh)).toMatchObject([{ policy: 'shop/limits', pods: 1 }]);
});

test.each(['tcp', ''])(
  'a policy on a Service whose port does not say HTTP (%j) counts nothing, and says so',
  (says) => {
    const mesh = aShop(says);
    const policy = aPolicy('limits', { rateLimits: [LIMIT] });
    mesh.policies.set(policy);
    expect(limits(mesh)).toBeUndefined();
    expect(judge(mesh, policy)).toMatchObject([
      { condition: 'Accepted', reason: 'Invalid', field: 'spec.rateLimit' },
    ]);
  },
);

test('a policy that names a port of which nobody says what it speaks limits it', () => {
  const mesh = aBareShop();
  const target = { service: 'shop/reviews', port: 8080, field: 'spec.targetRefs[0]' };
  const policy = aPolicy('limits', { targets: [target], rateLimits: [LIMIT] });
  mesh.policies.set(policy);
  expect(limits(mesh)).toHaveLength(1);
  expect(judge(mesh, policy)).toEqual([]);
});
