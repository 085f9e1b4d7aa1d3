import { describe, expect, test } from '@jest/globals';
import { aBackendPolicy, backendPolicyObject, serviceTarget } from '../../testing/backend-policies.js';
import { aService, aShop } from '../../testing/mesh.js';
import type { Dirty } from '../words/keys.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import { judgeBackendPolicy } from './judge-backend-policy.js';
import { toBackendPolicy } from '../read/gateway-api/to-backend-policy.js';

const USUAL = { percent: 20, intervalMs: 10_000, minPerSecond: 10, refuses: true };
const constraint = (retryConstraint: object): object => ({ retryConstraint });
const sessions = (sessionPersistence: object): object => ({ sessionPersistence });

describe('reading', () => {
  test.each([
    ['no constraint', {}, undefined],
    ['an empty one', constraint({}), USUAL],
    ['a percentage', constraint({ budget: { percent: 5 } }), { ...USUAL, percent: 5 }],
    ['none at all', constraint({ budget: { percent: 0 } }), { ...USUAL, percent: 0 }],
    ['an interval', constraint({ budget: { interval: '1m' } }), { ...USUAL, intervalMs: 60_000 }],
    ['a count', constraint({ minRetryRate: { count: 3 } }), { ...USUAL, minPerSecond: 3 }],
    [
      'a rate of half a second',
      constraint({ minRetryRate: { interval: '500ms' } }),
      { ...USUAL, minPerSecond: 20 },
    ],
    [
      'less than one a second',
      constraint({ minRetryRate: { interval: '1m' } }),
      { ...USUAL, minPerSecond: 1 },
    ],
    [
      'more than anybody needs',
      constraint({ minRetryRate: { count: 1_000_000, interval: '1ms' } }),
      { ...USUAL, minPerSecond: 1_000_000 },
    ],
  ])('%s', (_what, spec, budget) => {
    const policy = aBackendPolicy('p', spec);
    expect(policy.budget).toEqual(budget);
    expect(policy.problems).toEqual([]);
  });

  test.each([
    [
      'spec.sessionPersistence.sessionName',
      { ...constraint({}), sessionPersistence: { sessionName: 'a b' } },
    ],
    ['spec.retryConstraint.budget.interval', constraint({ budget: { interval: 'soon' } })],
    ['spec.retryConstraint.minRetryRate.interval', constraint({ minRetryRate: { interval: '0ms' } })],
  ])('a policy with a bad %s does not act, and says where', (field, spec) => {
    const policy = aBackendPolicy('p', spec);
    expect(policy.budget).toBeUndefined();
    expect(policy.problems).toMatchObject([{ reason: 'Invalid', field }]);
  });

  test.each([
    ['nothing', {}, { carrier: 'cookie', name: expect.stringMatching(/^weft-session-[0-9a-f]{8}$/) }],
    ['a cookie', { sessionName: 'Sid' }, { carrier: 'cookie', name: 'Sid' }],
    ['a header', { type: 'Header', sessionName: 'X-Sid' }, { carrier: 'header', name: 'x-sid' }],
    [
      'an end',
      { sessionName: 'a', absoluteTimeout: '1h' },
      { carrier: 'cookie', name: 'a', lifetimeMs: 3_600_000 },
    ],
    [
      'a cookie that stays',
      { sessionName: 'a', absoluteTimeout: '1m', cookieConfig: { lifetimeType: 'Permanent' } },
      { carrier: 'cookie', name: 'a', lifetimeMs: 60_000, permanent: true },
    ],
  ])('a session of %s', (_what, given, session) => {
    expect(aBackendPolicy('p', sessions(given)).session).toEqual(session);
  });

  test.each([
    ['type', { type: 'Url' }],
    ['sessionName', { sessionName: 'a=b' }],
    ['idleTimeout', { idleTimeout: '1h' }],
    ['absoluteTimeout', { absoluteTimeout: 'soon' }],
    ['absoluteTimeout', { cookieConfig: { lifetimeType: 'Permanent' } }],
    ['cookieConfig.lifetimeType', { cookieConfig: { lifetimeType: 'Ever' } }],
  ])('a session of a bad %s', (field, given) => {
    const policy = aBackendPolicy('p', sessions(given));
    expect(policy.session).toBeUndefined();
    expect(policy.problems).toMatchObject([{ reason: 'Invalid', field: `spec.sessionPersistence.${field}` }]);
  });

  test('targets that are no Services are for others', () => {
    const targets = [
      { group: 'gateway.networking.x-k8s.io', kind: 'XBackend', name: 'b' },
      serviceTarget('a'),
    ];
    expect(aBackendPolicy('p', {}, { targets }).targets).toEqual([
      { namespace: 'shop', name: 'a', field: 'spec.targetRefs[1]' },
    ]);
  });

  test('what has not the shape of the API is no policy', () => {
    expect(
      toBackendPolicy(backendPolicyObject('p', constraint({ budget: { percent: 'a' } }))),
    ).toBeUndefined();
  });
});

/** Reasons of `shop/<name>` in the order of its targets. */
function reasons(mesh: MeshTables, name: string): readonly string[] {
  const policy = mesh.backendPolicies.get(`shop/${name}`)!;
  return judgeBackendPolicy(mesh, policy).map(({ accepted: { status, reason } }) => `${status} ${reason}`);
}

describe('status', () => {
  const OLD = { createdAt: '2025-01-01T00:00:00Z' };

  test.each([
    ['one alone', constraint({}), [], 'True Accepted'],
    ['one that says nothing', {}, [aBackendPolicy('a', constraint({}))], 'True Accepted'],
    ['a younger one', constraint({}), [aBackendPolicy('z', constraint({}), OLD)], 'False Conflicted'],
    ['the second by name', constraint({}), [aBackendPolicy('a', constraint({}))], 'False Conflicted'],
    ['the first by name', constraint({}), [aBackendPolicy('z', constraint({}))], 'True Accepted'],
    [
      'one beside an older that says nothing',
      constraint({}),
      [aBackendPolicy('z', {}, OLD)],
      'True Accepted',
    ],
    [
      'one beside an older that cannot act',
      constraint({}),
      [aBackendPolicy('z', { ...constraint({}), ...sessions({ type: 'Soon' }) }, OLD)],
      'True Accepted',
    ],
    ['one that cannot act', { ...constraint({}), ...sessions({ type: 'Soon' }) }, [], 'False Invalid'],
    [
      'one beside an older about something else',
      constraint({}),
      [aBackendPolicy('z', sessions({}), OLD)],
      'False Conflicted',
    ],
  ])('%s', (_what, spec, others, expected) => {
    const mesh = aShop();
    for (const policy of [aBackendPolicy('m', spec), ...others]) mesh.backendPolicies.set(policy);
    expect(reasons(mesh, 'm')).toEqual([expected]);
  });

  test('each target by itself', () => {
    const mesh = aShop();
    const targets = [serviceTarget('reviews'), serviceTarget('gone')];
    mesh.backendPolicies.set(aBackendPolicy('m', constraint({}), { targets }));
    expect(reasons(mesh, 'm')).toEqual(['True Accepted', 'False TargetNotFound']);
    mesh.services.set(aService({ name: 'gone', clusterIPs: [] }));
    expect(reasons(mesh, 'm')).toEqual(['True Accepted', 'True Accepted']);
  });
});

test('a policy dirties the Services that it names and those that it named', () => {
  const mesh = aShop();
  const on = (...names: string[]): Dirty =>
    mesh.backendPolicies.set(aBackendPolicy('p', constraint({}), { targets: names.map(serviceTarget) }));
  const of = (name: string): string[] => [`service/shop/${name}`, `spec/shop/${name}`];
  expect([...on('a')]).toEqual(of('a'));
  expect([...on('b')]).toEqual([...of('a'), ...of('b')]);
  expect(mesh.backendPoliciesOn('shop/a')).toEqual([]);
  expect([...mesh.backendPolicies.delete('shop/p')]).toEqual(of('b'));
  expect(mesh.backendPolicies.size + mesh.backendPoliciesOn('shop/b').length).toBe(0);
});
