import { expect, test } from '@jest/globals';
import { aBackendPolicy, serviceTarget } from '../../testing/backend-policies.js';
import {
  aMesh,
  aPolicy,
  aPort,
  aService,
  aWorkload,
  anAddress,
  anEndpointSet,
  anEntry,
} from '../../testing/mesh.js';
import { compileDestination } from '../compile/compile-destination.js';
import { compileWorkload } from '../compile/compile-workload.js';
import type { CompiledDestination, CompiledWorkload } from '../words/destination.js';
import type { Dirty } from '../words/keys.js';
import type { MeshTables } from './mesh-tables.js';
import { judge } from '../judge/judge.js';
import { resolve, resolvedThrough } from '../compile/resolve.js';
import { DEFAULT_SETTINGS } from '../words/settings.js';

/** A small pseudo-random generator, so that a failure can be run again by its seed. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

const IPS = ['10.0.0.1', '10.0.0.2', 'fd00::1', 'fd00::2'];
const SUBSCRIPTIONS = [
  ...[0, 1, 2].map((i) => `ip/10.96.0.${i}:8080`),
  'endpoint/10.0.0.1:9080',
  'endpoint/10.0.0.1:9080/s0.shop',
  'endpoint/[fd00::1]:9080/s1.shop',
  ...IPS.map((ip) => `ip/${ip.includes(':') ? `[${ip}]` : ip}:9080`),
];
const PODS = ['pod-0', 'pod-1', 'pod-2'];

/** One random change of the mesh. */
function change(mesh: MeshTables, roll: (sides: number) => number): Dirty {
  const service = `s${roll(3)}`;
  const pod = PODS[roll(3)]!;
  const set = { name: `set-${roll(4)}` };
  const changes: (() => Dirty)[] = [
    () =>
      mesh.services.set(
        aService({
          name: service,
          clusterIPs: [`10.96.0.${roll(3)}`],
          ports: [aPort(roll(2) === 0 ? {} : { appProtocol: 'http' })],
        }),
      ),
    () => mesh.services.delete(`shop/${service}`),
    () =>
      mesh.workloads.set(
        aWorkload(pod, IPS[roll(4)]!, {
          labels: { version: `v${roll(2)}` },
          meshed: roll(2) === 0,
          hostNetwork: roll(5) === 0,
          opaquePorts: roll(3) === 0 ? [9080] : [],
        }),
      ),
    () => mesh.workloads.delete(pod),
    () =>
      mesh.endpointSets.set(
        anEndpointSet(
          PODS.filter(() => roll(2) === 0).map((uid) =>
            anAddress(IPS[roll(4)]!, roll(4) === 0 ? undefined : uid, { ready: roll(3) > 0 }),
          ),
          { ...set, service: `shop/${service}` },
        ),
      ),
    () => mesh.endpointSets.delete(`shop/${set.name}`),
    () =>
      mesh.policies.set(
        aPolicy(
          `p${roll(3)}`,
          {
            targets: [{ service: `shop/${service}`, field: '', ...(roll(2) === 0 ? { port: 8080 } : {}) }],
            routes: [
              {
                name: 'r',
                matches: [],
                split: [
                  anEntry({ labels: { version: `v${roll(2)}` }, fallback: roll(2) === 0 }),
                  anEntry({ service: { namespace: 'shop', name: `s${roll(3)}` } }),
                ],
                retries: { attempts: 1, on: ['reset'], statuses: [], methods: ['GET'] },
              },
            ],
          },
          { namespace: roll(3) === 0 ? 'web' : 'shop' },
        ),
      ),
    () => mesh.policies.delete(`shop/p${roll(3)}`),
    () =>
      mesh.backendPolicies.set(
        aBackendPolicy(
          `b${roll(2)}`,
          { retryConstraint: { budget: { percent: roll(100) } } },
          { targets: [serviceTarget(service)] },
        ),
      ),
    () => mesh.backendPolicies.delete(`shop/b${roll(2)}`),
    () => mesh.setSettings({ ...DEFAULT_SETTINGS, mtls: roll(2) === 0 ? 'strict' : 'permissive' }),
  ];
  return changes[roll(changes.length)]!();
}

interface Cached {
  readonly destinations: Map<string, CompiledDestination>;
  readonly workloads: Map<string, CompiledWorkload>;
  /** What each subscription was found through. */
  readonly through: Map<string, readonly string[]>;
}

/** What a config server does: looks only at what depends on something dirty. */
function refresh(mesh: MeshTables, cached: Cached, dirty: Dirty): void {
  const isDirty = (depends: readonly string[]): boolean => [...dirty].some((key) => depends.includes(key));
  for (const subscription of SUBSCRIPTIONS) {
    const known = cached.through.get(subscription);
    if (known !== undefined && !isDirty(known)) continue;
    const ref = resolve(mesh, subscription);
    const compiled = ref && compileDestination(mesh, ref, 'web');
    const through = ['mesh', ...resolvedThrough(mesh, subscription, ref), ...(compiled?.depends ?? [])];
    cached.through.set(subscription, through);
    keep(cached.destinations, subscription, compiled);
  }
  for (const uid of PODS) {
    if (cached.workloads.has(uid) && !isDirty(['mesh', `workload/${uid}`])) continue;
    keep(cached.workloads, uid, compileWorkload(mesh, uid));
  }
}

function keep<T>(cache: Map<string, T>, name: string, value: T | undefined): void {
  if (value === undefined) cache.delete(name);
  else cache.set(name, value);
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'compiling only what is dirty gives the same as compiling everything (seed %d)',
  (seed) => {
    const roll = dice(seed);
    const mesh = aMesh();
    const cached: Cached = { destinations: new Map(), workloads: new Map(), through: new Map() };
    for (let step = 0; step < 400; step++) {
      refresh(mesh, cached, change(mesh, roll));
      for (const subscription of SUBSCRIPTIONS) {
        const ref = resolve(mesh, subscription);
        const whole = ref === undefined ? undefined : compileDestination(mesh, ref, 'web');
        expect(cached.destinations.get(subscription)).toEqual(whole);
      }
      for (const uid of PODS) expect(cached.workloads.get(uid)).toEqual(compileWorkload(mesh, uid));
    }
  },
);

test.each([1, 2, 3, 4])(
  'judging only the policies about a Service that is dirty gives the same as judging all (seed %d)',
  (seed) => {
    const roll = dice(seed);
    const mesh = aMesh();
    const judged = new Map<string, string>();
    for (let step = 0; step < 400; step++) {
      const dirty = change(mesh, roll);
      const about = [...dirty].flatMap((key) =>
        key.startsWith('spec/') ? mesh.policiesAbout(key.slice('spec/'.length)) : [],
      );
      for (const policy of about) judged.set(policy.ref.uid, JSON.stringify(judge(mesh, policy)));
      for (const policy of mesh.policies.values())
        expect(judged.get(policy.ref.uid)).toBe(JSON.stringify(judge(mesh, policy)));
    }
  },
);

test.each<[string, (mesh: MeshTables) => Dirty]>([
  ['a Service', (mesh) => mesh.services.set(aService())],
  ['a slice', (mesh) => mesh.endpointSets.set(anEndpointSet([anAddress('10.0.0.1', 'a')]))],
  ['a pod', (mesh) => mesh.workloads.set(aWorkload('a', '10.0.0.1'))],
  [
    'a pod that is not ready any more',
    (mesh) => mesh.workloads.set(aWorkload('a', '10.0.0.1', { ready: false })),
  ],
  ['a policy', (mesh) => mesh.policies.set(aPolicy('p'))],
  ['the settings', (mesh) => mesh.setSettings({ ...DEFAULT_SETTINGS })],
])('%s that says again what the mesh has read makes nothing dirty', (_what, again) => {
  const mesh = aMesh();
  mesh.services.set(aService());
  mesh.workloads.set(aWorkload('a', '10.0.0.1'));
  mesh.endpointSets.set(anEndpointSet([anAddress('10.0.0.1', 'a')]));
  mesh.policies.set(aPolicy('p'));
  expect(again(mesh)).toEqual(new Set());
});

test('an endpoint that turns unready concerns its Service alone', () => {
  const mesh = aMesh();
  mesh.endpointSets.set(anEndpointSet([anAddress('10.0.0.1', 'a'), anAddress('10.0.0.2', 'b')]));
  const later = anEndpointSet([anAddress('10.0.0.1', 'a', { ready: false }), anAddress('10.0.0.2', 'b')]);
  expect(mesh.endpointSets.set(later)).toEqual(new Set(['service/shop/reviews']));
  const without = anEndpointSet([anAddress('10.0.0.1', 'a', { ready: false })]);
  expect(mesh.endpointSets.set(without)).toEqual(new Set(['service/shop/reviews', 'workload/b']));
});

test('tables that lost everything hold nothing', () => {
  const mesh = aMesh();
  mesh.services.set(aService());
  mesh.workloads.set(aWorkload('a', '10.0.0.1'));
  mesh.endpointSets.set(anEndpointSet([anAddress('10.0.0.1', 'a')]));
  mesh.policies.set(aPolicy('p'));
  mesh.policies.delete('shop/p');
  mesh.endpointSets.delete('shop/reviews-1');
  mesh.workloads.delete('a');
  mesh.services.delete('shop/reviews');
  expect(mesh).toEqual(aMesh());
});
