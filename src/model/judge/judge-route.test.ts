import { describe, expect, test } from '@jest/globals';
import { type RouteFields, aRoute } from '../../testing/gateway-routes.js';
import { aPolicy, aPort, aService, aShop, anEntry } from '../../testing/mesh.js';
import { compileDestination } from '../compile/compile-destination.js';
import { judge } from './judge.js';
import { judgeRoute } from './judge-route.js';

const rule = { backendRefs: [{ name: 'reviews', port: 8080 }] };
const unknown = { type: 'Tomorrow' };
const parent = { group: '', kind: 'Service', name: 'reviews' };

function words(mesh: ReturnType<typeof aShop>, route: ReturnType<typeof aRoute>) {
  return judgeRoute(mesh, route).map(({ accepted, resolvedRefs, partiallyInvalid }) => ({
    accepted: `${accepted.status} ${accepted.reason}`,
    refs: `${resolvedRefs.status} ${resolvedRefs.reason}`,
    ...(partiallyInvalid === undefined
      ? {}
      : { partly: `${partiallyInvalid.status} ${partiallyInvalid.reason}` }),
  }));
}

const GOOD = { accepted: 'True Accepted', refs: 'True ResolvedRefs' };

test.each([
  ['a good route', [rule], [parent], [GOOD]],
  ['a port that is there', [rule], [{ ...parent, port: 8080 }], [GOOD]],
  [
    'several parents, each judged by itself',
    [rule],
    [{ ...parent, port: 81 }, parent, { ...parent, name: 'gone' }, { ...parent, sectionName: 'nope' }],
    [
      { ...GOOD, accepted: 'False NoMatchingParent' },
      GOOD,
      { ...GOOD, accepted: 'False NoMatchingParent' },
      { ...GOOD, accepted: 'False NoMatchingParent' },
    ],
  ],
  ['a Gateway as parent', [rule], [{ name: 'edge' }], []],
  [
    'a backend that is not there',
    [{ backendRefs: [{ name: 'gone', port: 80 }] }],
    [parent],
    [{ ...GOOD, refs: 'False BackendNotFound' }],
  ],
  [
    'a copy that has nowhere to go',
    [
      {
        ...rule,
        filters: [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'gone', port: 80 } } }],
      },
    ],
    [parent],
    [{ ...GOOD, refs: 'False BackendNotFound' }],
  ],
  [
    'a backend of another kind',
    [{ backendRefs: [{ kind: 'Bucket', group: 'example.net', name: 'gone' }] }],
    [parent],
    [{ ...GOOD, refs: 'False InvalidKind' }],
  ],
  [
    'nothing that can act',
    [{ ...rule, filters: [unknown] }],
    [parent],
    [{ ...GOOD, accepted: 'False UnsupportedValue' }],
  ],
  [
    'a part that can act',
    [rule, { ...rule, filters: [unknown] }],
    [parent],
    [{ ...GOOD, partly: 'True UnsupportedValue' }],
  ],
])('%s', (_, rules, parents, wanted) => {
  expect(words(aShop(), aRoute('r', rules, { parents }))).toEqual(wanted);
});

test.each([
  ['headless', { clusterIPs: [], headless: true }],
  ['of type ExternalName', { clusterIPs: [], type: 'ExternalName' as const }],
])('a Service that is %s is no parent', (text, fields) => {
  const mesh = aShop();
  mesh.services.set(aService(fields));
  const [verdict] = judgeRoute(mesh, aRoute('r', [rule]));
  expect(verdict!.accepted).toMatchObject({ status: 'False', reason: 'NoMatchingParent' });
  expect(verdict!.accepted.message).toContain(text);
});

test('a port that is declared to carry bytes has no routes', () => {
  const mesh = aShop();
  const ports = [aPort({ name: 'http' }), aPort({ name: 'redis', port: 6379 })];
  mesh.services.set(aService({ ports }));
  expect(words(mesh, aRoute('r', [rule], { parents: [parent] }))).toEqual([GOOD]);
  const [verdict] = judgeRoute(mesh, aRoute('r', [rule], { parents: [{ ...parent, port: 6379 }] }));
  expect(verdict!.accepted).toMatchObject({ status: 'False', reason: 'NoMatchingParent' });
  expect(verdict!.accepted.message).toContain('port 6379');
});

test('what is left out begins with the words of the API', () => {
  const [verdict] = judgeRoute(aShop(), aRoute('r', [rule, { ...rule, filters: [unknown] }]));
  expect(verdict!.partiallyInvalid!.message).toMatch(/^Dropped Rule 1: spec\.rules\[1\]\.filters\[0\]/);
});

test('an HTTPRoute loses to a GRPCRoute where that leaves it no port, and a policy to both', () => {
  const mesh = aShop();
  mesh.services.set(aService({ ports: [aPort({ name: 'a' }), aPort({ name: 'b', port: 9090 })] }));
  const http = aRoute('http', [rule]);
  const grpc = aRoute('grpc', [rule], { kind: 'GRPCRoute', parents: [{ ...parent, port: 8080 }] });
  const routes = [{ name: 'p', matches: [], split: [anEntry({ labels: { version: 'v1' } })] }];
  const policy = aPolicy('p', { routes });
  for (const route of [http, grpc]) mesh.routes.set(route);
  mesh.policies.set(policy);
  expect(words(mesh, http)).toEqual([GOOD]);
  expect(judge(mesh, policy)).toMatchObject([{ reason: 'Conflicted', field: 'spec.routes' }]);
  expect(judge(mesh, policy)[0]!.message).toContain('GRPCRoute shop/grpc');
  const all = aRoute('grpc', [rule], { kind: 'GRPCRoute' });
  mesh.routes.set(all);
  expect(words(mesh, http)).toEqual([{ ...GOOD, accepted: 'False Conflicted' }]);
  expect(judgeRoute(mesh, http)[0]!.accepted.message).toContain('GRPCRoute shop/grpc');
  expect(words(mesh, all)).toEqual([GOOD]);
  mesh.policies.set(aPolicy('p'));
  expect(judge(mesh, aPolicy('p'))).toEqual([]);
});

describe('routes for connections', () => {
  const tcp = (name: string, fields: RouteFields = {}) =>
    aRoute(name, [rule], { kind: 'TCPRoute', ...fields });
  const tls = (name: string, hostnames: readonly string[], createdAt?: string) =>
    aRoute(name, [rule], { kind: 'TLSRoute', hostnames, ...(createdAt === undefined ? {} : { createdAt }) });

  test('attach to ports that may carry bytes, and no others', () => {
    const mesh = aShop();
    mesh.services.set(aService({ ports: [aPort({ name: 'http' }), aPort({ name: 'redis', port: 6379 })] }));
    expect(words(mesh, tcp('all', { parents: [parent] }))).toEqual([GOOD]);
    const [verdict] = judgeRoute(mesh, tcp('http', { parents: [{ ...parent, port: 8080 }] }));
    expect(verdict!.accepted).toMatchObject({ status: 'False', reason: 'NoMatchingParent' });
    expect(verdict!.accepted.message).toContain('port 8080 of Service shop/reviews is declared as HTTP');
  });

  test('the oldest TCPRoute has a port, and the others say who', () => {
    const mesh = aShop();
    const [first, second] = [tcp('b'), tcp('a', { createdAt: '2026-02-01T00:00:00Z' })];
    for (const route of [first, second]) mesh.routes.set(route);
    expect(words(mesh, first)).toEqual([GOOD]);
    expect(words(mesh, second)).toEqual([{ ...GOOD, accepted: 'False Conflicted' }]);
    expect(judgeRoute(mesh, second)[0]!.accepted.message).toContain('TCPRoute shop/b');
    mesh.routes.delete('shop/b');
    expect(words(mesh, second)).toEqual([GOOD]);
  });

  test('of a TLSRoute some names may be taken, or all', () => {
    const mesh = aShop();
    const older = tls('older', ['a.example.org', '*.example.org']);
    const some = tls('some', ['a.example.org', 'b.example.org'], '2026-02-01T00:00:00Z');
    const none = tls('none', ['b.example.org'], '2026-03-01T00:00:00Z');
    for (const route of [none, some, older]) mesh.routes.set(route);
    expect(words(mesh, older)).toEqual([GOOD]);
    expect(words(mesh, some)).toEqual([GOOD]);
    expect(judgeRoute(mesh, some)[0]!.accepted.message).toBe(
      'The route is in force, except for what older routes of the same port have: a.example.org (TLSRoute shop/older).',
    );
    expect(words(mesh, none)).toEqual([{ ...GOOD, accepted: 'False Conflicted' }]);
    expect(judgeRoute(mesh, none)[0]!.accepted.message).toContain('b.example.org (TLSRoute shop/some)');
  });

  test('lose to routes of a more specific kind', () => {
    const mesh = aShop();
    const [above, below] = [tls('tls', ['a.example.org']), tcp('tcp')];
    for (const route of [above, below]) mesh.routes.set(route);
    expect(words(mesh, below)).toEqual([{ ...GOOD, accepted: 'False Conflicted' }]);
    mesh.routes.set(aRoute('http', [rule]));
    expect(words(mesh, above)).toEqual([{ ...GOOD, accepted: 'False Conflicted' }]);
    expect(judgeRoute(mesh, above)[0]!.accepted.message).toContain('HTTPRoute shop/http');
  });

  test('what leads nowhere is reset', () => {
    const route = aRoute('r', [{ backendRefs: [{ name: 'gone', port: 80 }] }], { kind: 'TCPRoute' });
    expect(words(aShop(), route)).toEqual([{ ...GOOD, refs: 'False BackendNotFound' }]);
    expect(judgeRoute(aShop(), route)[0]!.resolvedRefs.message).toContain('connections is reset');
  });
});

test('of rules with one name the first has it: a policy means that one, and the status says so', () => {
  const mesh = aShop();
  const named = (prefix: string) => ({
    ...rule,
    name: 'api',
    matches: [{ path: { type: 'PathPrefix', value: prefix } }],
  });
  const route = aRoute('r', [named('/a'), named('/b')]);
  mesh.routes.set(route);
  const target = { kind: 'HTTPRoute', namespace: 'shop', name: 'r', section: 'api', field: 'f' } as const;
  const routes = [{ name: 'p', matches: [], split: [], timeouts: { requestMs: 1_000 } }];
  mesh.policies.set(aPolicy('p', { targets: [], routeTargets: [target], routes }));
  expect(words(mesh, route)).toEqual([GOOD]);
  expect(judgeRoute(mesh, route)[0]!.accepted.message).toContain('spec.rules[1].name');
  const ref = { kind: 'service', service: 'shop/reviews', port: 8080 } as const;
  const compiled = compileDestination(mesh, ref, 'shop')!.destination.routes;
  expect(compiled.map(({ name, timeouts }) => [name, timeouts?.requestMs])).toEqual([
    ['bytes', undefined],
    ['r/api', 1_000],
    ['r/rule-1', undefined],
  ]);
});
