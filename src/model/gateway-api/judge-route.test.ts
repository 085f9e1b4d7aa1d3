import { expect, test } from '@jest/globals';
import { aRoute } from '../../testing/gateway-routes.js';
import { aPolicy, aPort, aService, aShop, anEntry } from '../../testing/mesh.js';
import { judge } from '../judge.js';
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
  mesh.setService(aService(fields));
  const [verdict] = judgeRoute(mesh, aRoute('r', [rule]));
  expect(verdict!.accepted).toMatchObject({ status: 'False', reason: 'NoMatchingParent' });
  expect(verdict!.accepted.message).toContain(text);
});

test('a port that is declared to carry bytes has no routes', () => {
  const mesh = aShop();
  const ports = [aPort({ name: 'http' }), aPort({ name: 'redis', port: 6379 })];
  mesh.setService(aService({ ports }));
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
  mesh.setService(aService({ ports: [aPort({ name: 'a' }), aPort({ name: 'b', port: 9090 })] }));
  const http = aRoute('http', [rule]);
  const grpc = aRoute('grpc', [rule], { kind: 'GRPCRoute', parents: [{ ...parent, port: 8080 }] });
  const routes = [{ name: 'p', matches: [], split: [anEntry({ labels: { version: 'v1' } })] }];
  const policy = aPolicy('p', { routes });
  for (const route of [http, grpc]) mesh.setRoute(route);
  mesh.setPolicy(policy);
  expect(words(mesh, http)).toEqual([GOOD]);
  expect(judge(mesh, policy)).toMatchObject([{ reason: 'Conflicted', field: 'spec.routes' }]);
  expect(judge(mesh, policy)[0]!.message).toContain('GRPCRoute shop/grpc');
  const all = aRoute('grpc', [rule], { kind: 'GRPCRoute' });
  mesh.setRoute(all);
  expect(words(mesh, http)).toEqual([{ ...GOOD, accepted: 'False Conflicted' }]);
  expect(judgeRoute(mesh, http)[0]!.accepted.message).toContain('GRPCRoute shop/grpc');
  expect(words(mesh, all)).toEqual([GOOD]);
  mesh.setPolicy(aPolicy('p'));
  expect(judge(mesh, aPolicy('p'))).toEqual([]);
});
