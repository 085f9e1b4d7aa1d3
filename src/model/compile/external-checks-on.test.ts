import { expect, test } from '@jest/globals';
import {
  POLICY_OF_SHOP,
  aPolicy,
  aPort,
  aService,
  aShop as aBareShop,
  anAddress,
  anEndpointSet,
} from '../../testing/mesh.js';
import { compileWorkload } from './compile-workload.js';
import { judge } from '../judge/judge.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import { toPolicy } from '../read/to-policy.js';
import { unreadPolicy } from '../read/to-external-check.js';
import type { ExternalCheck } from '../words/external-check.js';

const SERVICE = { namespace: 'policy', name: 'opa', port: 9191, from: POLICY_OF_SHOP };
const CHECK: ExternalCheck = {
  service: SERVICE,
  timeoutMs: 500,
  onFailure: 'deny',
  allowedHeaders: [],
  exempt: [],
  dryRun: false,
};
const OPA = aService({
  namespace: 'policy',
  name: 'opa',
  clusterIPs: ['10.96.0.9'],
  ports: [aPort({ port: 9191 })],
});
const GRANT = { namespace: 'policy', name: 'shop', from: [POLICY_OF_SHOP], services: ['opa'] };
const ASKS = { service: 'policy/opa', address: '10.96.0.9', port: 9191 };

/** The shop, whose port speaks what `appProtocol` says, beside a Service that may be asked. */
function aShop(appProtocol = 'http'): MeshTables {
  const mesh = aBareShop();
  mesh.services.set(aService({ ports: [aPort(appProtocol === '' ? {} : { appProtocol })] }));
  mesh.services.set(OPA);
  mesh.grants.set(GRANT);
  return mesh;
}

const checks = (mesh: MeshTables, uid = 'a') =>
  compileWorkload(mesh, uid)?.workload.inboundPorts[0]?.externalChecks;

function checkedShop(fields: Partial<ExternalCheck> = {}, appProtocol?: string) {
  const mesh = aShop(appProtocol);
  const policy = aPolicy('checked', { externalCheck: { ...CHECK, ...fields } });
  mesh.policies.set(policy);
  return { mesh, policy };
}

test('the pods of a Service ask the cluster IP of the Service that its policy names', () => {
  const { mesh, policy } = checkedShop();
  expect(checks(mesh)).toMatchObject([{ policy: 'shop/checked', asks: ASKS, onFailure: 'deny' }]);
  expect(judge(mesh, policy)).toEqual([]);
  expect(compileWorkload(mesh, 'a')).toMatchObject({
    workload: { criticalFeatures: ['workload.external-check'] },
    sources: [{ kind: 'TrafficPolicy', name: 'checked' }],
  });
});

test.each(['deny', 'allow'] as const)(
  'a Service that does not exist is a failure of which the policy says what it means: %s',
  (onFailure) => {
    const { mesh, policy } = checkedShop({ onFailure });
    const { depends } = compileWorkload(mesh, 'a')!;
    const gone = mesh.services.delete('policy/opa');
    expect(depends.some((key) => gone.has(key))).toBe(true);
    expect(checks(mesh)).toMatchObject([{ onFailure }]);
    expect(checks(mesh)![0]!.asks).toBeUndefined();
    const until = onFailure === 'deny' ? 'every request is refused' : 'requests pass unchecked';
    expect(judge(mesh, policy)).toMatchObject([
      {
        condition: 'ResolvedRefs',
        reason: 'BackendNotFound',
        field: 'spec.externalAuthorization.service',
        message: expect.stringContaining(until),
      },
    ]);
    const back = mesh.services.set(OPA);
    expect(compileWorkload(mesh, 'a')!.depends.some((key) => back.has(key))).toBe(true);
    expect(checks(mesh)).toMatchObject([{ asks: ASKS }]);
  },
);

test.each([
  ['has no TCP port 9192', { service: { ...SERVICE, port: 9192 } }, OPA],
  ['has no cluster IP', {}, { ...OPA, clusterIPs: [], headless: true }],
] as const)('a Service that %s is not asked, and the status says so', (message, fields, service) => {
  const { mesh, policy } = checkedShop(fields);
  mesh.services.set(service);
  expect(checks(mesh)![0]!.asks).toBeUndefined();
  expect(judge(mesh, policy)).toMatchObject([{ message: expect.stringContaining(message) }]);
});

test('a Service of another namespace without a ReferenceGrant refuses everything, whatever onFailure says', () => {
  const { mesh, policy } = checkedShop({ onFailure: 'allow' });
  const { depends } = compileWorkload(mesh, 'a')!;
  const gone = mesh.grants.delete('policy/shop');
  expect(depends.some((key) => gone.has(key))).toBe(true);
  expect(checks(mesh)).toMatchObject([{ onFailure: 'deny' }]);
  expect(checks(mesh)![0]!.asks).toBeUndefined();
  expect(judge(mesh, policy)).toMatchObject([
    { reason: 'RefNotPermitted', message: expect.stringContaining('every request is refused') },
  ]);
});

test('a Service whose policy makes it its own check is not asked about the question', () => {
  const mesh = aShop();
  const service = { namespace: 'shop', name: 'reviews', port: 8080, from: POLICY_OF_SHOP };
  const everything = [{ everyServiceOf: 'shop', field: 'spec.targetRefs[0]' }];
  mesh.policies.set(aPolicy('all', { targets: everything, externalCheck: { ...CHECK, service } }));
  expect(checks(mesh)).toBeUndefined();
  const other = aService({ name: 'other', clusterIPs: ['10.96.0.6'] });
  mesh.services.set(other);
  const ports = [{ name: '', port: 9999, protocol: 'TCP' }] as const;
  const fields = { name: 'other-1', service: 'shop/other', ports };
  mesh.endpointSets.set(anEndpointSet([anAddress('10.244.0.1', 'a')], fields));
  const [, second] = compileWorkload(mesh, 'a')!.workload.inboundPorts;
  expect(second).toMatchObject({ port: 9999, externalChecks: [{ asks: { service: 'shop/reviews' } }] });
});

test('a pod behind two Services asks for both, and for one policy on both once', () => {
  const { mesh } = checkedShop();
  const ports = [aPort({ appProtocol: 'http' })];
  mesh.services.set(aService({ name: 'alias', clusterIPs: ['10.96.0.6'], ports }));
  const set = { name: 'alias-1', service: 'shop/alias' };
  mesh.endpointSets.set(anEndpointSet([anAddress('10.244.0.1', 'a')], set));
  const alias = { service: 'shop/alias', field: 'spec.targetRefs[0]' };
  mesh.policies.set(aPolicy('other', { targets: [alias], externalCheck: CHECK }));
  expect(checks(mesh)?.map(({ policy }) => policy)).toEqual(['shop/other', 'shop/checked']);
  mesh.policies.delete('shop/other');
  const both = [alias, { service: 'shop/reviews', field: 'spec.targetRefs[1]' }];
  mesh.policies.set(aPolicy('checked', { targets: both, externalCheck: CHECK }));
  expect(checks(mesh)).toHaveLength(1);
});

test('a port of which nobody says what it speaks is checked; one that carries bytes is not, and the policy says so', () => {
  expect(checks(checkedShop({}, '').mesh)).toHaveLength(1);
  const { mesh, policy } = checkedShop({}, 'tcp');
  expect(checks(mesh)).toBeUndefined();
  expect(judge(mesh, policy)).toMatchObject([
    { condition: 'Accepted', reason: 'Invalid', field: 'spec.externalAuthorization' },
  ]);
});

const object = (namespace: string, spec: object) => ({
  apiVersion: 'weft.dev/v1alpha1',
  kind: 'TrafficPolicy',
  metadata: { namespace, name: 'checked', uid: 'shop/checked' },
  spec,
});
const targetRefs = [{ kind: 'Service', name: 'reviews', namespace: 'shop' }];
const externalAuthorization = { service: { name: 'opa', namespace: 'policy', port: 9191 } };

test("what a consumer's namespace says does not lift the check of a Service, and cannot set one", () => {
  const { mesh } = checkedShop();
  mesh.policies.set(aPolicy('mine', {}, { namespace: 'web', createdAt: '2025-01-01T00:00:00Z' }));
  expect(checks(mesh)).toHaveLength(1);
  const { policy, problems } = toPolicy(object('web', { targetRefs, externalAuthorization }));
  expect(policy).toBeUndefined();
  expect(problems).toMatchObject([
    { field: 'spec.externalAuthorization', message: expect.stringContaining('create it in shop') },
  ]);
});

test('a check is read with its defaults filled in', () => {
  const { policy } = toPolicy(object('shop', { targetRefs, externalAuthorization }));
  expect(policy?.externalCheck).toEqual(CHECK);
});

test.each([
  ['the Service it names', targetRefs, ['shop/reviews']],
  ['every Service of its namespace', 'in words of tomorrow', [undefined]],
])('a policy that cannot be read and asks for a check closes %s', (_what, refs, services) => {
  const ref = aPolicy('checked').ref;
  const unread = unreadPolicy({ spec: { targetRefs: refs, externalAuthorization: 'tomorrow' } }, ref)!;
  expect(unread.targets.map(({ service }) => service)).toEqual(services);
  const mesh = aShop();
  mesh.policies.set(unread);
  expect(checks(mesh)).toMatchObject([{ policy: 'shop/checked', onFailure: 'deny', dryRun: false }]);
  expect(checks(mesh)![0]!.asks).toBeUndefined();
});

test('a policy that cannot be read and asks for no check closes nothing', () => {
  expect(unreadPolicy({ spec: { targetRefs, rutes: [] } }, aPolicy('checked').ref)).toBeUndefined();
});
