import { expect, test } from '@jest/globals';
import { POLICY_OF_SHOP, aPolicy, aService, aShop, anEntry } from '../../testing/mesh.js';
import { compileDestination } from './compile-destination.js';
import { judge } from '../judge/judge.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import type { Policy } from '../words/policy.js';

/** A policy whose targets are every Service of namespace shop, recognised by the name of its route. */
const defaults = (name: string, options: Parameters<typeof aPolicy>[2] = {}, port?: number): Policy =>
  aPolicy(
    name,
    {
      targets: [
        { everyServiceOf: 'shop', ...(port === undefined ? {} : { port }), field: 'spec.targetRefs[0]' },
      ],
      routes: [{ name, matches: [], split: [] }],
    },
    options,
  );

const own = (name: string, options: Parameters<typeof aPolicy>[2] = {}): Policy =>
  aPolicy(name, { routes: [{ name, matches: [], split: [] }] }, options);

/** The policy that a caller of a namespace meets at a Service, by the name of its route. */
function met(mesh: MeshTables, consumer: string, service = 'reviews'): string | undefined {
  const ref = { kind: 'service', service: `shop/${service}`, port: 8080 } as const;
  return compileDestination(mesh, ref, consumer)?.destination.routes[0]?.name;
}

test('a policy on a Namespace is for every Service in it, now and later, and for no other', () => {
  const mesh = aShop();
  expect([...mesh.policies.set(defaults('all'))]).toEqual(['service/shop/reviews', 'spec/shop/reviews']);
  mesh.services.set(aService({ name: 'next', clusterIPs: ['10.96.0.6'] }));
  mesh.services.set(aService({ namespace: 'elsewhere', clusterIPs: ['10.96.0.7'] }));
  expect([met(mesh, 'shop'), met(mesh, 'qa'), met(mesh, 'qa', 'next')]).toEqual(['all', 'all', 'all']);
  const elsewhere = { kind: 'service', service: 'elsewhere/reviews', port: 8080 } as const;
  expect(compileDestination(mesh, elsewhere, 'qa')?.destination.routes[0]?.name).toBe('default');
  const compiled = compileDestination(mesh, { kind: 'service', service: 'shop/next', port: 8080 }, 'qa');
  expect(compiled?.sources.map(({ name }) => name)).toEqual(['all']);
  expect([...mesh.policies.delete('shop/all')].sort()).toEqual([
    'service/shop/next',
    'service/shop/reviews',
    'spec/shop/next',
    'spec/shop/reviews',
  ]);
  expect(met(mesh, 'shop')).toBe('default');
});

test("a Service's own policy wins over every default, whole; of defaults the consumer's comes first", () => {
  const mesh = aShop();
  mesh.policies.set(defaults('producer-default'));
  mesh.policies.set(defaults('on-the-port', {}, 8080));
  expect(met(mesh, 'shop')).toBe('on-the-port');
  mesh.policies.set(defaults('consumer-default', { namespace: 'qa' }));
  expect([met(mesh, 'shop'), met(mesh, 'qa')]).toEqual(['on-the-port', 'consumer-default']);
  mesh.policies.set(own('producer'));
  expect([met(mesh, 'shop'), met(mesh, 'qa')]).toEqual(['producer', 'producer']);
  mesh.policies.set(own('consumer', { namespace: 'qa' }));
  expect([met(mesh, 'shop'), met(mesh, 'qa')]).toEqual(['producer', 'consumer']);
});

test('only a consumer with words of its own gets a destination of its own', () => {
  const mesh = aShop();
  const ref = { kind: 'service', service: 'shop/reviews', port: 8080 } as const;
  const key = (consumer: string) => compileDestination(mesh, ref, consumer)?.key;
  mesh.policies.set(defaults('producer-default'));
  mesh.policies.set(defaults('consumer-default', { namespace: 'qa' }));
  expect([key('web'), key('qa')]).toEqual([
    'default/default/shop/reviews:8080/-',
    'default/default/shop/reviews:8080/qa',
  ]);
  mesh.policies.set(own('producer'));
  expect(key('qa')).toBe('default/default/shop/reviews:8080/-');
});

test('the status says of a default that another is older, and that a namespace has no Service', () => {
  const mesh = aShop();
  const [older, younger] = [defaults('older'), defaults('younger', { createdAt: '2026-01-02T00:00:00Z' })];
  mesh.policies.set(older);
  mesh.policies.set(younger);
  mesh.policies.set(own('own'));
  expect(judge(mesh, older)).toEqual([]);
  expect(judge(mesh, younger)).toMatchObject([
    {
      condition: 'Accepted',
      reason: 'Conflicted',
      field: 'spec.targetRefs[0]',
      message: expect.stringContaining(
        'shop/older is older and already applies to the defaults of Namespace shop',
      ),
    },
  ]);
  const empty = aPolicy('empty', { targets: [{ everyServiceOf: 'nobody', field: 'spec.targetRefs[0]' }] });
  mesh.policies.set(empty);
  expect(judge(mesh, empty)).toMatchObject([
    {
      condition: 'ResolvedRefs',
      reason: 'TargetNotFound',
      message: expect.stringContaining('nobody has no Service'),
    },
  ]);
});

test('a reference of a default has to lead somewhere from every Service of the namespace', () => {
  const mesh = aShop();
  const split = [anEntry({ service: { namespace: 'shop', name: 'gone' } })];
  const portion = { numerator: 1, denominator: 100 };
  const mirrors = [
    {
      service: { namespace: 'shop', name: 'lost', from: POLICY_OF_SHOP },
      fallback: false,
      portion,
      field: 'spec.routes[0].mirror[0]',
    },
  ];
  const policy = { ...defaults('all'), routes: [{ name: 'r', matches: [], split, mirrors }] };
  mesh.policies.set(policy);
  expect(judge(mesh, policy)).toMatchObject([
    { reason: 'BackendNotFound', field: 'spec.routes[0].split[0].service' },
    {
      reason: 'BackendNotFound',
      field: 'spec.routes[0].mirror[0].service',
      message: expect.stringContaining('until it does, nothing is mirrored there'),
    },
  ]);
});
