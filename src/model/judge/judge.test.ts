import { expect, test } from '@jest/globals';
import { aPolicy, aPort, aService, aShop, anEntry } from '../../testing/mesh.js';
import { judge, verdicts } from './judge.js';
import type { Policy, PolicyTarget, ServiceTarget, SplitEntry } from '../words/policy.js';

const target = (fields: Partial<ServiceTarget> = {}): ServiceTarget => ({
  service: 'shop/reviews',
  field: 'spec.targetRefs[0]',
  ...fields,
});

const splitting = (split: SplitEntry[], targets: PolicyTarget[] = [target()]): Policy =>
  aPolicy('p', { targets, routes: [{ name: 'r', matches: [], split }] });

test('a policy that leads somewhere and has no rival is accepted and resolved', () => {
  const mesh = aShop();
  const policy = splitting([
    anEntry({ labels: { version: 'v9' } }),
    anEntry({ service: { namespace: 'shop', name: 'reviews' } }),
  ]);
  mesh.policies.set(policy);
  expect(judge(mesh, policy)).toEqual([]);
  expect(verdicts([])).toMatchObject({
    accepted: { status: 'True', reason: 'Accepted' },
    resolvedRefs: { status: 'True', reason: 'ResolvedRefs' },
  });
});

test.each([
  [target({ service: 'shop/gone' }), /Service shop\/gone does not exist; create it, or correct/],
  [target({ port: 9 }), /has no TCP port 9; its TCP ports are 8080; correct the port/],
])('a target that is not there is named: %j', (missing, message) => {
  const mesh = aShop();
  const policy = aPolicy('p', { targets: [missing] });
  mesh.policies.set(policy);
  const problems = judge(mesh, policy);
  expect(problems).toMatchObject([
    { condition: 'ResolvedRefs', reason: 'TargetNotFound', field: 'spec.targetRefs[0]' },
  ]);
  expect(problems[0]!.message).toMatch(message);
  expect(verdicts(problems)).toMatchObject({
    accepted: { status: 'True' },
    resolvedRefs: { status: 'False', reason: 'TargetNotFound' },
  });
});

test.each([
  [
    'a Service that does not exist',
    { namespace: 'shop', name: 'gone' },
    /Service shop\/gone does not exist; .* status 500/,
  ],
  [
    'a port that the Service lacks',
    { namespace: 'shop', name: 'next', port: 1 },
    /Service shop\/next has no TCP port 1/,
  ],
  [
    "the target's port, which the Service lacks",
    { namespace: 'shop', name: 'next' },
    /Service shop\/next has no TCP port 8080; its TCP ports are 80/,
  ],
])('a split to %s is named', (_what, service, message) => {
  const mesh = aShop();
  mesh.services.set(aService({ name: 'next', clusterIPs: ['10.96.0.6'], ports: [aPort({ port: 80 })] }));
  const policy = splitting([anEntry({ service })]);
  mesh.policies.set(policy);
  const problems = judge(mesh, policy);
  expect(problems).toMatchObject([
    { condition: 'ResolvedRefs', reason: 'BackendNotFound', field: 'spec.routes[0].split[0].service' },
  ]);
  expect(problems[0]!.message).toMatch(message);
});

test('without the target, a backend is still judged by whether it exists', () => {
  const mesh = aShop();
  mesh.services.set(aService({ name: 'next', clusterIPs: ['10.96.0.6'], ports: [aPort({ port: 80 })] }));
  const nowhere = [target({ service: 'shop/gone' })];
  const reasons = (name: string) =>
    judge(mesh, splitting([anEntry({ service: { namespace: 'shop', name } })], nowhere)).map(
      ({ reason }) => reason,
    );
  expect(reasons('next')).toEqual(['TargetNotFound']);
  expect(reasons('nobody')).toEqual(['TargetNotFound', 'BackendNotFound']);
});

test('the younger of two on a target says that it lost, and to whom', () => {
  const mesh = aShop();
  const old = aPolicy('old', {}, { createdAt: '2026-01-01T00:00:00Z' });
  const young = aPolicy('a-young-one', {}, { createdAt: '2026-01-02T00:00:00Z' });
  mesh.policies.set(young);
  expect(judge(mesh, young)).toEqual([]);
  mesh.policies.set(old);
  expect(judge(mesh, old)).toEqual([]);
  expect(judge(mesh, young)).toMatchObject([
    {
      condition: 'Accepted',
      reason: 'Conflicted',
      field: 'spec.targetRefs[0]',
      message: expect.stringMatching(/TrafficPolicy shop\/old is older .* Service shop\/reviews; merge/),
    },
  ]);
  mesh.policies.delete(old.ref.uid);
  expect(judge(mesh, young)).toEqual([]);
});

test.each([
  ['ports of one Service', { port: 8080 }, { port: 8081 }],
  ['a port and the rest of the Service', {}, { port: 8080 }],
])('policies on different sections are no rivals: %s', (_what, first, second) => {
  const mesh = aShop();
  mesh.services.set(aService({ ports: [aPort(), aPort({ name: 'b', port: 8081 })] }));
  const one = aPolicy('one', { targets: [target(first)] });
  const two = aPolicy('two', { targets: [target(second)] });
  mesh.policies.set(one);
  mesh.policies.set(two);
  expect([...judge(mesh, one), ...judge(mesh, two)]).toEqual([]);
});

test('a consumer and the producer are no rivals, two of one consumer are', () => {
  const mesh = aShop();
  const producer = aPolicy('p');
  const consumer = aPolicy('c', {}, { namespace: 'web' });
  const rival = aPolicy('d', {}, { namespace: 'web' });
  for (const policy of [producer, consumer, rival]) mesh.policies.set(policy);
  expect(judge(mesh, producer)).toEqual([]);
  expect(judge(mesh, consumer)).toEqual([]);
  expect(judge(mesh, rival)[0]!.message).toMatch(/TrafficPolicy web\/c is older/);
});

test('a condition tells all problems in one message that the API server takes', () => {
  const problem = { condition: 'Accepted', reason: 'Invalid', field: 'spec.a', message: 'is wrong' } as const;
  expect(verdicts([problem, { ...problem, field: 'spec.b' }]).accepted).toEqual({
    status: 'False',
    reason: 'Invalid',
    message: 'spec.a: is wrong\nspec.b: is wrong',
  });
  expect(verdicts([{ ...problem, message: 'x'.repeat(40_000) }]).accepted.message).toHaveLength(32_768);
});
