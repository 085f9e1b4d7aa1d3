import { expect, test } from '@jest/globals';
import { aBackendPolicy, serviceTarget } from '../testing/backend-policies.js';
import {
  aMesh,
  aPolicy,
  aPort,
  aService,
  aWorkload,
  anAddress,
  anEndpointSet,
  anEntry,
} from '../testing/mesh.js';
import { compileDestination } from './compile-destination.js';
import { compileWorkload } from './compile-workload.js';
import type { CompiledDestination, CompiledWorkload } from './destination.js';
import type { Dirty, MeshTables } from './mesh-tables.js';
import { resolve } from './resolve.js';
import { DEFAULT_SETTINGS } from './settings.js';

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
      mesh.setService(
        aService({
          name: service,
          clusterIPs: [`10.96.0.${roll(3)}`],
          ports: [aPort(roll(2) === 0 ? {} : { appProtocol: 'http' })],
        }),
      ),
    () => mesh.deleteService(`shop/${service}`),
    () =>
      mesh.setWorkload(
        aWorkload(pod, IPS[roll(4)]!, {
          labels: { version: `v${roll(2)}` },
          meshed: roll(2) === 0,
          hostNetwork: roll(5) === 0,
          opaquePorts: roll(3) === 0 ? [9080] : [],
        }),
      ),
    () => mesh.deleteWorkload(pod),
    () =>
      mesh.setEndpoints(
        anEndpointSet(
          PODS.filter(() => roll(2) === 0).map((uid) =>
            anAddress(IPS[roll(4)]!, roll(4) === 0 ? undefined : uid, { ready: roll(3) > 0 }),
          ),
          { ...set, service: `shop/${service}` },
        ),
      ),
    () => mesh.deleteEndpoints('shop', set.name),
    () =>
      mesh.setPolicy(
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
    () => mesh.deletePolicy(`shop/p${roll(3)}`),
    () =>
      mesh.setBackendPolicy(
        aBackendPolicy(
          `b${roll(2)}`,
          { retryConstraint: { budget: { percent: roll(100) } } },
          { targets: [serviceTarget(service)] },
        ),
      ),
    () => mesh.deleteBackendPolicy(`shop/b${roll(2)}`),
    () => mesh.setSettings({ ...DEFAULT_SETTINGS, mtls: roll(2) === 0 ? 'strict' : 'permissive' }),
  ];
  return changes[roll(changes.length)]!();
}

interface Cached {
  readonly destinations: Map<string, CompiledDestination>;
  readonly workloads: Map<string, CompiledWorkload>;
}

/** What a config server does: resolve again, and compile again only what is dirty or has become another thing. */
function refresh(mesh: MeshTables, cached: Cached, refs: Map<string, string>, dirty: Dirty): void {
  const isDirty = (depends: readonly string[]): boolean => [...dirty].some((key) => depends.includes(key));
  for (const subscription of SUBSCRIPTIONS) {
    const ref = resolve(mesh, subscription);
    const before = cached.destinations.get(subscription);
    const moved = refs.get(subscription) !== JSON.stringify(ref);
    if (!moved && !isDirty(before?.depends ?? [])) continue;
    refs.set(subscription, JSON.stringify(ref));
    keep(cached.destinations, subscription, ref && compileDestination(mesh, ref, 'web'));
  }
  for (const uid of PODS) {
    const before = cached.workloads.get(uid);
    if (before !== undefined && !isDirty(before.depends)) continue;
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
    const cached: Cached = { destinations: new Map(), workloads: new Map() };
    const refs = new Map<string, string>();
    for (let step = 0; step < 400; step++) {
      refresh(mesh, cached, refs, change(mesh, roll));
      for (const subscription of SUBSCRIPTIONS) {
        const ref = resolve(mesh, subscription);
        const whole = ref === undefined ? undefined : compileDestination(mesh, ref, 'web');
        expect(cached.destinations.get(subscription)).toEqual(whole);
      }
      for (const uid of PODS) expect(cached.workloads.get(uid)).toEqual(compileWorkload(mesh, uid));
    }
  },
);

test('tables that lost everything hold nothing', () => {
  const mesh = aMesh();
  mesh.setService(aService());
  mesh.setWorkload(aWorkload('a', '10.0.0.1'));
  mesh.setEndpoints(anEndpointSet([anAddress('10.0.0.1', 'a')]));
  mesh.setPolicy(aPolicy('p'));
  mesh.deletePolicy('shop/p');
  mesh.deleteEndpoints('shop', 'reviews-1');
  mesh.deleteWorkload('a');
  mesh.deleteService('shop/reviews');
  expect(mesh).toEqual(aMesh());
});
