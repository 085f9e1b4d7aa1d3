import { describe, expect, test } from '@jest/globals';
import { aRoute } from '../../../testing/gateway-routes.js';
import { toMeshRoute } from './to-mesh-route.js';

const BACKEND = { name: 'redis-v1', port: 6379 };
const from = (kind: string) => ({ group: 'gateway.networking.k8s.io', kind, namespace: 'shop' });

describe('TCPRoute', () => {
  test('has one rule, for every connection', () => {
    const backendRefs = [BACKEND, { ...BACKEND, name: 'redis-v2', namespace: 'data', weight: 3 }];
    const { rules, problems } = aRoute('r', [{ backendRefs }], { kind: 'TCPRoute' });
    expect(problems).toEqual([]);
    expect(rules).toMatchObject([
      {
        matches: [{ match: { headers: [] } }],
        route: {
          name: 'r/rule-0',
          split: [
            {
              weight: 1,
              service: { namespace: 'shop', name: 'redis-v1', port: 6379, from: from('TCPRoute') },
            },
            { weight: 3, service: { namespace: 'data', name: 'redis-v2' } },
          ],
        },
      },
    ]);
  });

  test('a second rule, which version 1 does not allow, is left out and said to be', () => {
    const { rules, problems, written } = aRoute(
      'r',
      [{ backendRefs: [BACKEND] }, { backendRefs: [BACKEND] }],
      { kind: 'TCPRoute' },
    );
    expect([rules.length, written]).toEqual([1, 2]);
    expect(problems).toMatchObject([{ reason: 'UnsupportedValue', rule: 1, field: 'spec.rules[1]' }]);
  });

  test.each([
    ['of another kind', { group: 'example.net', kind: 'Bucket', name: 'b' }, 'Bucket.example.net'],
    ['without a port', { name: 'redis' }, 'needs a port'],
  ])('a backend %s is a share that goes nowhere', (_, ref, text) => {
    const { rules, problems } = aRoute('r', [{ backendRefs: [ref, BACKEND] }], { kind: 'TCPRoute' });
    expect(rules[0]!.route.split[0]!.invalid).toContain(text);
    expect(problems).toMatchObject([{ condition: 'ResolvedRefs', reason: 'InvalidKind' }]);
  });
});

describe('TLSRoute', () => {
  const ranks = (hostnames: readonly string[]) =>
    aRoute('r', [{ backendRefs: [BACKEND] }], { kind: 'TLSRoute', hostnames }).rules[0]!.matches.map(
      ({ match, rank }) => [match.serverNames, rank],
    );

  test('is for server names: the longest exact one first, then the longest wildcard', () => {
    expect(ranks(['*.b.org', 'aa.org', 'ab.org', 'aa.org', 'A.aa.org'])).toEqual([
      [['*.b.org'], [0, 7]],
      [
        ['aa.org', 'ab.org'],
        [1, 6],
      ],
      [['a.aa.org'], [1, 8]],
    ]);
  });

  test('that an older version stored without hostnames is for every name', () => {
    expect(ranks([])).toEqual([[['*'], [0, 1]]]);
  });
});

test.each(['TCPRoute', 'TLSRoute'] as const)('an object of another shape is no %s', (kind) => {
  expect(toMeshRoute(kind, { metadata: { name: 'a' }, spec: { rules: 'none' } })).toBeUndefined();
});
