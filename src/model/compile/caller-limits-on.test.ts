import { expect, test } from '@jest/globals';
import { aPolicy, aPort, aService, aShop, anAddress, anEndpointSet } from '../../testing/mesh.js';
import { compileWorkload } from './compile-workload.js';
import { judge } from '../judge/judge.js';
import { policiesAbout } from '../judge/about.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import type { ExternalPort } from '../words/external-service.js';
import type { Callee, RateLimit } from '../words/rate-limit.js';
import type { Service } from '../words/service.js';

const PAYMENTS: Callee = { kind: 'Service', namespace: 'billing', name: 'payments' };
const STRIPE: Callee = { kind: 'ExternalService', namespace: 'shop', name: 'stripe' };

const LIMIT: RateLimit = {
  name: 'payments',
  requests: 100,
  perMs: 1_000,
  burst: 100,
  to: PAYMENTS,
  key: [],
  scope: 'Service',
  dryRun: false,
};

const limits = (mesh: MeshTables, uid = 'a') => compileWorkload(mesh, uid)?.workload.callerLimits;

function payments(fields: Partial<Service> = {}): Service {
  return aService({ namespace: 'billing', name: 'payments', clusterIPs: ['10.96.0.9'], ...fields });
}

function external(ports: readonly ExternalPort[]): Parameters<MeshTables['externalServices']['set']>[0] {
  return {
    ref: {
      kind: 'ExternalService',
      namespace: 'shop',
      name: 'stripe',
      uid: 'stripe',
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
    hosts: ['api.stripe.com'],
    ports,
    addresses: [],
    privateAddresses: false,
  };
}

test('the pods of a Service share what they send, or each has it for itself, and what they take is another matter', () => {
  const mesh = aShop();
  const perPod: RateLimit = { ...LIMIT, name: 'stripe', to: STRIPE, scope: 'Pod' };
  const { to: _to, ...taken } = LIMIT;
  mesh.policies.set(aPolicy('limits', { rateLimits: [LIMIT, { ...taken, name: 'all' }, perPod] }));
  expect(limits(mesh)).toEqual([
    {
      to: PAYMENTS,
      limit: {
        policy: 'shop/limits',
        name: 'payments',
        requests: 100,
        perMs: 1_000,
        burst: 100,
        key: [],
        pods: 3,
        dryRun: false,
      },
    },
    { to: STRIPE, limit: expect.objectContaining({ name: 'stripe', pods: 1 }) },
  ]);
  const compiled = compileWorkload(mesh, 'a')!;
  expect(compiled.workload.inboundPorts[0]?.rateLimits).toBeUndefined();
  expect(compiled).toMatchObject({
    workload: { criticalFeatures: ['workload.rate-limits.caller', 'workload.rate-limits'] },
    sources: [{ kind: 'TrafficPolicy', name: 'limits' }],
  });
  mesh.services.set(aService({ ports: [aPort({ appProtocol: 'http' })] }));
  expect(compileWorkload(mesh, 'a')?.workload.inboundPorts[0]?.rateLimits).toMatchObject([{ name: 'all' }]);
});

test('a pod that gets ready, a policy that comes, changes or goes reach the pods that send', () => {
  const mesh = aShop();
  const { depends } = compileWorkload(mesh, 'a')!;
  const came = mesh.policies.set(aPolicy('limits', { rateLimits: [LIMIT] }));
  const divided = compileWorkload(mesh, 'a')!;
  const one = mesh.endpointSets.set(
    anEndpointSet([anAddress('10.244.0.1', 'a'), anAddress('10.244.0.2', 'b', { ready: false })]),
  );
  expect(divided.depends.some((key) => one.has(key))).toBe(true);
  expect(limits(mesh)).toMatchObject([{ limit: { pods: 1 } }]);
  const went = mesh.policies.delete('shop/limits');
  for (const dirty of [came, went]) expect(depends.some((key) => dirty.has(key))).toBe(true);
  expect(limits(mesh)).toBeUndefined();
});

test('a Service without ports tells whose pods are limited, and a limit on bytes alone is no matter for who sends', () => {
  const mesh = aShop();
  mesh.services.set(aService({ ports: [], clusterIPs: [], headless: true }));
  mesh.endpointSets.set(anEndpointSet([anAddress('10.244.0.1', 'a')], { ports: [] }));
  const policy = aPolicy('limits', { rateLimits: [LIMIT] });
  mesh.policies.set(policy);
  mesh.services.set(payments());
  expect(limits(mesh)).toMatchObject([{ to: PAYMENTS, limit: { pods: 1 } }]);
  expect(judge(mesh, policy)).toEqual([]);
  mesh.services.set(aService({ ports: [aPort({ appProtocol: 'tcp' })] }));
  expect(limits(mesh)).toHaveLength(1);
  expect(judge(mesh, policy)).toEqual([]);
});

test('a policy on two Services of a pod, or on two ports of one, counts once', () => {
  const mesh = aShop();
  mesh.services.set(aService({ ports: [aPort(), aPort({ name: 'admin', port: 8081 })] }));
  mesh.services.set(aService({ name: 'alias', clusterIPs: ['10.96.0.6'] }));
  mesh.endpointSets.set(
    anEndpointSet([anAddress('10.244.0.1', 'a')], { name: 'alias-1', service: 'shop/alias' }),
  );
  const targets = ['shop/reviews', 'shop/alias'].map((service, index) => ({
    service,
    field: `spec.targetRefs[${index}]`,
  }));
  mesh.policies.set(aPolicy('limits', { targets, rateLimits: [LIMIT] }));
  expect(limits(mesh)).toMatchObject([{ limit: { policy: 'shop/limits', pods: 1 } }]);
  expect(limits(mesh, 'b')).toMatchObject([{ limit: { policy: 'shop/limits', pods: 3 } }]);
});

test.each<[string, Partial<Service> | undefined, object | undefined]>([
  ['does not exist', undefined, { condition: 'ResolvedRefs', reason: 'BackendNotFound' }],
  ['has no cluster IP', { clusterIPs: [], headless: true }, { condition: 'Accepted', reason: 'Invalid' }],
  ['carries bytes', { ports: [aPort({ appProtocol: 'tcp' })] }, { condition: 'Accepted', reason: 'Invalid' }],
  ['is fine', {}, undefined],
])('a policy says where the Service that is called %s', (says, fields, problem) => {
  const mesh = aShop();
  const policy = aPolicy('limits', { rateLimits: [LIMIT] });
  mesh.policies.set(policy);
  const dirty = mesh.services.set(payments());
  expect(policiesAbout(mesh, dirty)).toEqual([policy]);
  if (fields === undefined) mesh.services.delete('billing/payments');
  else mesh.services.set(payments(fields));
  expect(judge(mesh, policy)).toEqual(
    problem === undefined
      ? []
      : [{ ...problem, field: 'spec.rateLimit[0].to', message: expect.stringContaining(says) }],
  );
});

const TLS: ExternalPort['tls'] = {
  port: 443,
  field: 'spec.ports[0].tls',
  names: { dns: [], uris: [] },
  authorities: [],
};

test.each<[string, readonly ExternalPort[] | undefined, 'allowAny' | 'registryOnly', string | undefined]>([
  ['that is not there', undefined, 'registryOnly', 'does not exist'],
  ['of TLS', [{ port: 443, protocol: 'tls' }], 'registryOnly', 'has no port with protocol HTTP'],
  [
    'that nobody reads',
    [{ port: 80, protocol: 'http' }],
    'allowAny',
    'only under the outbound policy RegistryOnly',
  ],
  ['that is judged', [{ port: 80, protocol: 'http' }], 'registryOnly', undefined],
  ['whose TLS the proxy opens', [{ port: 80, protocol: 'http', tls: TLS }], 'allowAny', undefined],
])('a policy says where requests to an ExternalService %s are not read', (_what, ports, outbound, says) => {
  const mesh = aShop();
  mesh.services.set(payments());
  const policy = aPolicy('limits', { rateLimits: [LIMIT, { ...LIMIT, name: 'stripe', to: STRIPE }] });
  mesh.policies.set(policy);
  if (ports !== undefined) {
    const dirty = mesh.externalServices.set(external(ports));
    expect(policiesAbout(mesh, dirty)).toEqual([policy]);
  }
  mesh.namespaces.set({ name: 'shop', outbound });
  const found =
    says === undefined ? [] : [{ field: 'spec.rateLimit[1].to', message: expect.stringContaining(says) }];
  expect(judge(mesh, policy)).toMatchObject(found);
});
