import { expect, test } from '@jest/globals';
import {
  aPort,
  aService,
  aShop,
  aWorkload,
  anAddress,
  anEndpointSet,
  aPolicy,
  anEntry,
} from '../../testing/mesh.js';
import { BUDGET } from './budget.js';
import { compileDestination } from '../compile/compile-destination.js';
import { judgeRoute } from '../judge/judge-route.js';
import { toMeshRoute } from '../read/gateway-api/to-mesh-route.js';
import type { MeshRoute } from './mesh-route.js';
import { toPolicy } from '../read/to-policy.js';

const REVIEWS = { kind: 'service', service: 'shop/reviews', port: 8080 } as const;

/** A TrafficPolicy with so many routes of so many matches each. */
function policy(routes: number, matches: (index: number) => object[]): ReturnType<typeof toPolicy> {
  return toPolicy({
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { name: 'p', namespace: 'shop', uid: 'p', generation: 1 },
    spec: {
      targetRefs: [{ kind: 'Service', name: 'reviews' }],
      routes: Array.from({ length: routes }, (_, index) => ({ name: `r${index}`, match: matches(index) })),
    },
  });
}

const times = (count: number, match: object): object[] => Array.from({ length: count }, () => match);
const EXPRESSION = { path: { regex: '/a.*' } };

test.each([
  ['as many matches as fit', policy(64, () => times(16, { path: { prefix: '/a' } })), undefined],
  ['as many expressions as fit', policy(4, () => times(16, EXPRESSION)), undefined],
  [
    'one expression more',
    policy(5, (index) => times(index === 4 ? 1 : 16, EXPRESSION)),
    /65 regular expressions, of 64 at most/,
  ],
  [
    'more bytes than fit',
    policy(64, () => times(5, { path: { exact: `/${'a'.repeat(900)}` } })),
    /bytes of routes, of 262144 at most/,
  ],
])('a policy with %s', (_what, { policy: read, problems }, message) => {
  expect(problems.map(({ reason }) => reason)).toEqual(message === undefined ? [] : ['TooLarge']);
  expect(read === undefined).toBe(message !== undefined);
  if (message !== undefined) expect(problems[0]?.message).toMatch(message);
});

/** An HTTPRoute on the Service with so many expressions. */
function route(name: string, day: number, expressions: number): MeshRoute {
  const headers = (value: string) => [{ type: 'RegularExpression', name: 'x', value }];
  return toMeshRoute('HTTPRoute', {
    metadata: {
      name,
      namespace: 'shop',
      uid: name,
      generation: 1,
      creationTimestamp: `2026-01-0${day}T00:00:00Z`,
    },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 'reviews' }],
      rules: [
        {
          matches: Array.from({ length: expressions }, (_, i) => ({ headers: headers(`${name}${i}.*`) })),
          backendRefs: [{ name: 'reviews', port: 8080 }],
        },
      ],
    },
  })!;
}

test('of routes that do not fit together the oldest win, and the others are told', () => {
  const mesh = aShop();
  mesh.services.set(aService({ ports: [aPort({ appProtocol: 'http' })] }));
  const [newest, oldest, middle] = [route('newest', 3, 30), route('oldest', 1, 40), route('middle', 2, 30)];
  const small = route('small', 4, 20);
  for (const one of [newest, oldest, middle, small]) mesh.routes.set(one);
  const { routes } = compileDestination(mesh, REVIEWS, 'web')!.destination;
  expect(new Set(routes.map(({ name }) => name))).toEqual(new Set(['oldest/rule-0', 'small/rule-0']));
  const reasons = [oldest, middle, newest, small].map((one) => judgeRoute(mesh, one)[0]?.accepted.reason);
  expect(reasons).toEqual(['Accepted', 'TooLarge', 'TooLarge', 'Accepted']);
  mesh.routes.delete('oldest');
  expect(judgeRoute(mesh, middle)[0]?.accepted.reason).toBe('Accepted');
});

test('backends that list the same endpoints again and again do not multiply without bound', () => {
  const mesh = aShop();
  const addresses = Array.from({ length: 1_100 }, (_, i) => `10.2.${i >> 8}.${i & 255}`);
  for (const [i, ip] of addresses.entries()) mesh.workloads.set(aWorkload(`w${i}`, ip));
  mesh.endpointSets.set(anEndpointSet(addresses.map((ip, i) => anAddress(ip, `w${i}`))));
  const split = Array.from({ length: 64 }, (_, i) =>
    anEntry({ labels: { none: String(i) }, fallback: true, field: `spec.routes[0].split[${i}]` }),
  );
  mesh.policies.set(aPolicy('p', { routes: [{ name: 'r', matches: [], split }] }));
  const { backends } = compileDestination(mesh, REVIEWS, 'web')!.destination;
  const references = backends.reduce((total, { endpoints }) => total + endpoints.length, 0);
  expect(references).toBeLessThanOrEqual(BUDGET.endpointReferences);
  expect(backends.at(0)?.endpoints).toHaveLength(1_100);
  expect(backends.at(-1)?.invalid).toMatch(/more than 65536 endpoints together/);
});
