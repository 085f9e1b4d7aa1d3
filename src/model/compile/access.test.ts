import { expect, test } from '@jest/globals';
import { aMesh, aPort, aService, aWorkload, anAddress, anEndpointSet } from '../../testing/mesh.js';
import { bytesNotes } from '../judge/bytes-notes.js';
import { compileWorkload } from './compile-workload.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import { accessCostOf } from '../words/access-budget.js';
import { toRole } from '../read/to-role.js';
import { toRoleBinding, unreadRoleBinding } from '../read/to-role-binding.js';

const object = (kind: string, name: string, spec: object, createdAt = '2026-01-01T00:00:00Z'): object => ({
  apiVersion: 'weft.dev/v1alpha1',
  kind,
  metadata: { namespace: 'shop', name, uid: `${kind}/${name}`, generation: 1, creationTimestamp: createdAt },
  spec,
});
const role = (name: string, ...rules: object[]) => toRole(object('MeshRole', name, { rules })).role!;
const binding = (name: string, spec: object, createdAt?: string) =>
  toRoleBinding(
    object(
      'MeshRoleBinding',
      name,
      {
        subjects: [{ serviceAccount: { name: 'web' } }],
        roleRef: { kind: 'MeshRole', name: 'reader' },
        ...spec,
      },
      createdAt,
    ),
  ).binding!;

/** Service shop/reviews, 8080 to 9080, with one pod. */
function aShop(): MeshTables {
  const mesh = aMesh();
  mesh.services.set(aService({ selector: { app: 'reviews' }, ports: [aPort({ appProtocol: 'http' })] }));
  mesh.workloads.set(aWorkload('a', '10.244.0.1', { labels: { app: 'reviews' } }));
  mesh.endpointSets.set(anEndpointSet([anAddress('10.244.0.1', 'a')]));
  return mesh;
}
const accessOf = (mesh: MeshTables, uid = 'a') => compileWorkload(mesh, uid)?.workload.access;
const WEB = { kind: 'serviceAccount', trustDomain: 'cluster.local', namespace: 'shop', name: 'web' };
const ENFORCED = { effect: 'allow', mode: 'enforce' } as const;

test('a namespace without rules asks nothing of anybody, and costs its pods nothing', () => {
  const { workload, depends } = compileWorkload(aShop(), 'a')!;
  expect(workload.access).toBeUndefined();
  expect(workload.criticalFeatures).toEqual([]);
  expect(depends).toContain('access/shop');
});

test('a role of a Service is compiled to the ports of its pods, by subject', () => {
  const mesh = aShop();
  mesh.roles.set(
    role('reader', { services: ['reviews'], ports: [8080], methods: ['GET'], paths: ['/u/{id}/*'] }),
  );
  mesh.roleBindings.set(binding('web-reads', {}));
  expect(accessOf(mesh)).toEqual({
    default: 'allow',
    bindings: ['shop/web-reads'],
    permissions: [{ ports: [9080], methods: ['GET'], paths: ['/u/{}/*'] }],
    subjects: [{ allOf: [WEB], grants: [{ permission: 0, binding: 0, ...ENFORCED }] }],
  });
  const { workload, sources, depends } = compileWorkload(mesh, 'a')!;
  expect(workload.criticalFeatures).toEqual(['workload.access']);
  expect(sources.map(({ uid }) => uid)).toEqual(['MeshRoleBinding/web-reads', 'MeshRole/reader']);
  expect(depends).toEqual(expect.arrayContaining(['access/shop', 'spec/shop/reviews']));
});

test('a pod is behind a Service as soon as the selector says so, and one of another Service is not', () => {
  const mesh = aShop();
  mesh.roles.set(role('reader', { services: ['reviews'] }));
  mesh.roleBindings.set(binding('nobody', { effect: 'Deny', subjects: [{ caller: 'Anyone' }] }));
  mesh.workloads.set(aWorkload('new', '10.244.0.2', { labels: { app: 'reviews' } }));
  mesh.workloads.set(aWorkload('other', '10.244.0.3', { labels: { app: 'ratings' } }));
  expect(accessOf(mesh, 'new')?.permissions).toEqual([{ ports: [9080] }]);
  expect(accessOf(mesh, 'other')).toBeUndefined();
});

test('the default is the stricter of those of the namespace and of the mesh', () => {
  const mesh = aShop();
  mesh.setSettings({ ...mesh.settings, access: 'wouldDeny' });
  expect(accessOf(mesh)).toEqual({ default: 'wouldDeny', bindings: [], permissions: [], subjects: [] });
  expect([...mesh.namespaces.set({ name: 'shop', access: 'deny' })]).toEqual(['access/shop']);
  expect(accessOf(mesh)?.default).toBe('deny');
  mesh.namespaces.set({ name: 'shop', access: 'allow' });
  expect(accessOf(mesh)?.default).toBe('wouldDeny');
  mesh.setSettings({ ...mesh.settings, access: 'allow' });
  expect(accessOf(mesh)).toBeUndefined();
});

test('a binding without its role grants nothing, and denies its subjects everything', () => {
  const mesh = aShop();
  mesh.roleBindings.set(binding('allows', {}));
  expect(accessOf(mesh)).toBeUndefined();
  mesh.roleBindings.set(binding('denies', { effect: 'Deny' }));
  expect(accessOf(mesh)).toMatchObject({
    permissions: [{ ports: [] }],
    subjects: [{ allOf: [WEB], grants: [{ effect: 'deny', mode: 'enforce' }] }],
  });
  expect(mesh.accessIn('shop').problems.get('MeshRoleBinding/denies')).toMatchObject([
    { condition: 'ResolvedRefs', reason: 'RoleNotFound' },
  ]);
  mesh.roles.set(role('reader', { services: ['reviews'], methods: ['DELETE'] }));
  expect(accessOf(mesh)?.permissions).toEqual([{ ports: [9080], methods: ['DELETE'] }]);
});

test('at a port of bytes a rule about requests allows nothing and denies all, where it names the Service', () => {
  const mesh = aShop();
  mesh.services.set(aService({ selector: { app: 'reviews' }, ports: [aPort({ appProtocol: 'tcp' })] }));
  mesh.roles.set(role('reader', { services: ['reviews'], methods: ['GET'] }));
  mesh.roleBindings.set(binding('allows', {}));
  expect(accessOf(mesh)).toBeUndefined();
  mesh.roleBindings.set(binding('denies', { effect: 'Deny' }));
  expect(accessOf(mesh)?.permissions).toEqual([{ ports: [9080] }]);
  mesh.roles.set(role('reader', { methods: ['GET'] }));
  expect(accessOf(mesh)?.permissions).toEqual([{ ports: [], methods: ['GET'] }]);
});

test('subjects that are written in two ways are one', () => {
  const mesh = aShop();
  mesh.roles.set(role('reader', {}));
  const written = [
    { serviceAccount: { name: 'web' } },
    { serviceAccount: { trustDomain: 'cluster.local', namespace: 'shop', name: 'web' } },
    { allOf: [{ serviceAccount: { name: 'web' } }] },
  ];
  mesh.roleBindings.set(binding('web-reads', { subjects: written }));
  const not = [
    { serviceAccount: { name: 'web' } },
    { serviceAccount: { name: 'web', trustDomain: 'cluster.local' } },
  ];
  mesh.roleBindings.set(
    binding('others', { effect: 'Deny', subjects: not.map((one) => ({ allOf: [{ not: one }] })) }),
  );
  expect(accessOf(mesh)?.subjects.map(({ allOf }) => allOf)).toEqual([[{ ...WEB, inverted: true }], [WEB]]);
});

test('what does not fit allows nothing, and where it denies nobody is let in', () => {
  const mesh = aShop();
  const paths = Array.from({ length: 64 }, (_, path) => `/${path}`);
  mesh.roles.set(role('reader', ...Array.from({ length: 32 }, () => ({ paths }))));
  mesh.roles.set(role('small', { paths: ['/a'] }));
  const subjects = Array.from({ length: 64 }, (_, n) => ({ serviceAccount: { name: `sa-${n}` } }));
  mesh.roleBindings.set(
    binding('small', { roleRef: { kind: 'MeshRole', name: 'small' } }, '2026-01-02T00:00:00Z'),
  );
  mesh.roleBindings.set(binding('large', { subjects }, '2026-01-01T00:00:00Z'));
  expect(accessOf(mesh)?.bindings).toEqual(['shop/small']);
  expect(mesh.accessIn('shop').problems.get('MeshRoleBinding/large')).toMatchObject([
    { condition: 'Accepted', reason: 'TooLarge' },
  ]);
  mesh.roleBindings.set(binding('large', { subjects, effect: 'Deny' }, '2026-01-01T00:00:00Z'));
  expect(accessOf(mesh)).toEqual({ default: 'deny', bindings: [], permissions: [], subjects: [] });
});

test('pods of one place share what was compiled, until the rules change', () => {
  const mesh = aShop();
  mesh.workloads.set(aWorkload('b', '10.244.0.2', { labels: { app: 'reviews' } }));
  mesh.roles.set(role('reader', { services: ['reviews'] }));
  mesh.roleBindings.set(binding('web-reads', {}));
  const first = accessOf(mesh);
  expect(accessOf(mesh, 'b')).toBe(first);
  expect([...mesh.roles.set(role('reader', { services: ['reviews'], methods: ['GET'] }))]).toEqual([
    'access/shop',
  ]);
  expect(accessOf(mesh)?.permissions).toEqual([{ ports: [9080], methods: ['GET'] }]);
});

test('a binding of which nothing can be read denies everybody everything unless it surely allows', () => {
  const ref = binding('later', {}).ref;
  const unread = (spec: unknown) => unreadRoleBinding({ spec }, ref);
  expect(unread({ subjects: [{ odd: 1 }] })).toBeUndefined();
  expect(unread({ effect: 'Allow', subjects: 3 })).toBeUndefined();
  for (const effect of ['Deny', 'Challenge', 7])
    expect(unread({ effect })).toMatchObject({ role: undefined, effect: 'deny', mode: 'enforce' });
  expect(unread({ effect: 'Deny', mode: 'DryRun' })).toMatchObject({ effect: 'deny', mode: 'dryRun' });
  const mesh = aShop();
  mesh.roleBindings.set(unread({ effect: 'Deny' })!);
  expect(accessOf(mesh)).toMatchObject({
    permissions: [{ ports: [] }],
    subjects: [{ allOf: [{ kind: 'anyone' }] }],
  });
});

test.each([
  ['/a', true],
  ['/', true],
  ['/*', true],
  ['/a/*', true],
  ['/users/{id}/orders', true],
  ['/caf%C3%A9', true],
  ['/shop.Reviews/Get', true],
  ['/a%20b', true],
  ['/a*', false],
  ['/*/a', false],
  ['//', false],
  ['/a//b', false],
  ['/a/../b', false],
  ['/a/.', false],
  ['/a;b', false],
  ['/a%2fb', false],
  ['/%61', false],
  ['/a?b', false],
  ['/a#b', false],
  ['/{a}b', false],
  ['a', false],
  ['/%C3', false],
  ['/café', false],
  ['/a'.repeat(65), false],
])('the path %s is a pattern: %s', (path, valid) => {
  const { role: read, problems } = toRole(object('MeshRole', 'reader', { rules: [{ paths: [path] }] }));
  expect(read !== undefined).toBe(valid);
  expect(problems.length > 0).toBe(!valid);
});

test.each([
  ['10.0.0.0/8', true],
  ['10.1.2.3/32', true],
  ['fd00::/8', true],
  ['0.0.0.0/0', true],
  ['10.0.0.0/33', false],
  ['fd00::/129', false],
  ['::ffff:10.0.0.0/104', false],
  ['10.0.0/8', false],
])('the block %s is one: %s', (cidr, valid) => {
  const spec = { subjects: [{ cidr }], roleRef: { kind: 'MeshRole', name: 'reader' } };
  const { problems } = toRoleBinding(object('MeshRoleBinding', 'b', spec));
  expect(problems.map(({ field }) => field)).toEqual(valid ? [] : ['spec.subjects[0].cidr']);
});

test('what bindings cost is counted by subject, rule, place and path', () => {
  const rules = [{ services: ['a', 'b'], ports: [1, 2, 3], paths: ['/x', '/y'] }, {}];
  const { accessGrants, accessEntries } = accessCostOf(binding('web-reads', {}), rules);
  expect([accessGrants, accessEntries]).toEqual([2, 13]);
});

test.each<[string, object, object, 'Allow' | 'Deny', RegExp | undefined]>([
  [
    'its Service',
    { services: ['reviews'], methods: ['GET'] },
    {},
    'Allow',
    /shop\/reviews:8080.*allows nothing/,
  ],
  ['its Service, to deny', { services: ['reviews'], paths: ['/a'] }, {}, 'Deny', /denies every connection/],
  ['the port of the pods', { ports: [9080], methods: ['GET'] }, {}, 'Allow', /shop\/reviews:8080/],
  ['another port', { services: ['reviews'], ports: [9], methods: ['GET'] }, {}, 'Allow', undefined],
  ['nothing', { methods: ['GET'] }, {}, 'Allow', undefined],
  ['its Service, and asks nothing', { services: ['reviews'] }, {}, 'Allow', undefined],
  [
    'its Service, whose port is HTTP',
    { services: ['reviews'], methods: ['GET'] },
    { opaquePorts: [] },
    'Allow',
    undefined,
  ],
])('a rule at a port of bytes that names %s', (_what, rule, pod, effect, note) => {
  const mesh = aShop();
  mesh.workloads.set(aWorkload('a', '10.244.0.1', { opaquePorts: [9080], ...pod }));
  mesh.roles.set(role('reader', { methods: ['PUT'], headers: [{ name: 'x', present: true }] }, rule));
  const asked = binding('asks', { effect });
  mesh.roleBindings.set(asked);
  const notes = bytesNotes(mesh, asked);
  expect(notes).toHaveLength(note === undefined ? 0 : 1);
  if (note !== undefined) expect(notes[0]).toMatch(note);
});

test('a port that its Service declares as bytes is one, whatever the pods say', () => {
  const mesh = aShop();
  mesh.services.set(aService({ ports: [aPort({ appProtocol: 'tcp' })] }));
  mesh.roles.set(role('reader', { services: ['reviews'], methods: ['GET'] }));
  const asked = binding('asks', {});
  mesh.roleBindings.set(asked);
  expect(bytesNotes(mesh, asked)[0]).toMatch(/^Rule 0 of MeshRole shop\/reader asks about requests/);
});
