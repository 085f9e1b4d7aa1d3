import { expect, test } from '@jest/globals';
import { POLICY_OF_SHOP, aPolicy, aPort, aService, aShop as aBareShop } from '../../testing/mesh.js';
import { compileWorkload } from './compile-workload.js';
import { judge } from '../judge/judge.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import { toPolicy } from '../read/to-policy.js';
import type { CountedBy, RateLimit } from '../words/rate-limit.js';

const SERVICE = { namespace: 'limits', name: 'ratelimit', port: 8081, from: POLICY_OF_SHOP };
const COUNTED: CountedBy = { service: SERVICE, domain: 'weft', timeoutMs: 100, onFailure: 'podShare' };
const LIMIT: RateLimit = {
  name: 'all',
  requests: 100,
  perMs: 1_000,
  burst: 100,
  key: [],
  scope: 'Shared',
  counted: COUNTED,
  dryRun: false,
};
/** One that each pod counts by itself. */
const OWN: RateLimit = {
  name: 'own',
  requests: 5,
  perMs: 1_000,
  burst: 5,
  key: [],
  scope: 'Pod',
  dryRun: false,
};
const RATELIMIT = aService({
  namespace: 'limits',
  name: 'ratelimit',
  clusterIPs: ['10.96.0.9'],
  ports: [aPort({ port: 8081 })],
});
const GRANT = { namespace: 'limits', name: 'shop', from: [POLICY_OF_SHOP], services: ['ratelimit'] };
const ASKS = { service: 'limits/ratelimit', address: '10.96.0.9', port: 8081 };

/** The shop, three ready pods of which are limited so, beside a Service that may be asked to count. */
function aShop(...rateLimits: readonly RateLimit[]) {
  const mesh = aBareShop();
  mesh.services.set(aService({ ports: [aPort({ appProtocol: 'http' })] }));
  mesh.services.set(RATELIMIT);
  mesh.grants.set(GRANT);
  const policy = aPolicy('limits', { rateLimits });
  mesh.policies.set(policy);
  return { mesh, policy };
}

const port = (mesh: MeshTables) => compileWorkload(mesh, 'a')?.workload.inboundPorts[0];
const by = (fields: Partial<CountedBy>): Partial<RateLimit> => ({ counted: { ...COUNTED, ...fields } });

test('the pods of a Service ask the cluster IP of the Service that counts, and know their share', () => {
  const { mesh, policy } = aShop(LIMIT, OWN);
  expect(port(mesh)).toMatchObject({
    rateLimits: [{ name: 'own' }],
    sharedLimits: [
      {
        asks: ASKS,
        domain: 'weft',
        limits: [{ limit: { policy: 'shop/limits', name: 'all', pods: 3 }, onFailure: 'podShare' }],
      },
    ],
  });
  expect(judge(mesh, policy)).toEqual([]);
  expect(compileWorkload(mesh, 'a')?.workload.criticalFeatures).toEqual([
    'workload.rate-limits.shared',
    'workload.rate-limits',
  ]);
});

test('one call is about all limits of a service and a domain, but for those that only rehearse', () => {
  const { mesh } = aShop(
    LIMIT,
    { ...LIMIT, name: 'hasty', ...by({ timeoutMs: 20, onFailure: 'deny' }) },
    { ...LIMIT, name: 'other', ...by({ domain: 'other' }) },
    { ...LIMIT, name: 'rehearsal', dryRun: true },
  );
  const calls = port(mesh)?.sharedLimits?.map(({ domain, timeoutMs, limits }) => [
    domain,
    timeoutMs,
    ...limits.map(({ limit: { name } }) => name),
  ]);
  expect(calls).toEqual([
    ['weft', 20, 'all', 'hasty'],
    ['other', 100, 'other'],
    ['weft', 100, 'rehearsal'],
  ]);
});

test('the number of pods matters where each lets in its share without an answer, and else to nobody', () => {
  const others = 'service/shop/reviews';
  expect(compileWorkload(aShop(LIMIT).mesh, 'a')?.depends).toContain(others);
  const { mesh } = aShop({ ...LIMIT, ...by({ onFailure: 'allow' }) });
  expect(compileWorkload(mesh, 'a')?.depends).not.toContain(others);
  expect(port(mesh)?.sharedLimits).toMatchObject([{ limits: [{ limit: { pods: 1 } }] }]);
});

test.each([
  ['allow', 'requests pass uncounted'],
  ['deny', 'requests that it counts are refused'],
  ['podShare', 'each ready pod lets in its share'],
] as const)(
  'a Service that does not exist cannot be asked, and onFailure %s says: %s',
  (onFailure, until) => {
    const { mesh, policy } = aShop({ ...LIMIT, ...by({ onFailure }) });
    const { depends } = compileWorkload(mesh, 'a')!;
    const gone = mesh.services.delete('limits/ratelimit');
    expect(depends.some((key) => gone.has(key))).toBe(true);
    expect(port(mesh)?.sharedLimits).toMatchObject([
      { service: 'limits/ratelimit', limits: [{ onFailure }] },
    ]);
    expect(port(mesh)?.sharedLimits?.[0]?.asks).toBeUndefined();
    expect(judge(mesh, policy)).toMatchObject([
      {
        condition: 'ResolvedRefs',
        reason: 'BackendNotFound',
        field: 'spec.rateLimit[0].service',
        message: expect.stringContaining(until),
      },
    ]);
    const back = mesh.services.set(RATELIMIT);
    expect(compileWorkload(mesh, 'a')!.depends.some((key) => back.has(key))).toBe(true);
    expect(port(mesh)?.sharedLimits).toMatchObject([{ asks: ASKS }]);
  },
);

test('a Service of another namespace without a ReferenceGrant is not asked, and its limits fail', () => {
  const { mesh, policy } = aShop(LIMIT);
  const { depends } = compileWorkload(mesh, 'a')!;
  const gone = mesh.grants.delete('limits/shop');
  expect(depends.some((key) => gone.has(key))).toBe(true);
  expect(port(mesh)?.sharedLimits?.[0]?.asks).toBeUndefined();
  expect(judge(mesh, policy)).toMatchObject([{ reason: 'RefNotPermitted' }]);
});

test('the Service that counts is not asked about the question, by a policy on its whole namespace', () => {
  const service = { namespace: 'shop', name: 'reviews', port: 8080, from: POLICY_OF_SHOP };
  const { mesh } = aShop(LIMIT);
  const targets = [{ everyServiceOf: 'shop', field: 'spec.targetRefs[0]' }];
  mesh.policies.set(aPolicy('limits', { targets, rateLimits: [OWN, { ...LIMIT, ...by({ service }) }] }));
  expect(port(mesh)).toMatchObject({ rateLimits: [{ name: 'own' }] });
  expect(port(mesh)?.sharedLimits).toBeUndefined();
});

const read = (fields: object) =>
  toPolicy({
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { namespace: 'shop', name: 'limits' },
    spec: {
      targetRefs: [{ kind: 'Service', name: 'reviews' }],
      rateLimit: [
        {
          name: 'all',
          scope: 'Shared',
          service: { name: 'ratelimit', namespace: 'limits', port: 8081 },
          ...fields,
        },
      ],
    },
  });

test('a shared limit is read with its defaults; where only the service knows the amount, a failure lets in', () => {
  expect(read({ requests: 100, per: '1s' }).policy?.rateLimits).toEqual([LIMIT]);
  const key = [{ constant: { name: 'generic_key', value: 'logins' } }];
  expect(read({ key }).policy?.rateLimits).toMatchObject([
    { requests: 0, perMs: 0, burst: 0, key, counted: { onFailure: 'allow' } },
  ]);
});
