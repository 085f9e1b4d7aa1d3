import { describe, expect, test } from '@jest/globals';
import { aShop, aWorkload } from '../../testing/mesh.js';
import { isTlsPolicyInForce, judgeTlsPolicy, tlsPoliciesAbout } from '../judge/judge-tls-policy.js';
import { toTlsPolicy, unreadTlsPolicy } from '../read/to-tls-policy.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import type { DestinationRef } from '../words/destination.js';
import { type MtlsMode, DEFAULT_SETTINGS } from '../words/settings.js';
import type { TlsPolicy } from '../words/tls-policy.js';
import { compileDestination } from './compile-destination.js';
import { compileWorkload } from './compile-workload.js';

function policy(name: string, spec: object, namespace = 'shop'): TlsPolicy {
  const metadata = { namespace, name, uid: name, generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' };
  const object = { apiVersion: 'weft.dev/v1alpha1', kind: 'MeshTLSPolicy', metadata, spec };
  return toTlsPolicy(object).policy!;
}

const V1 = { selector: { matchLabels: { version: 'v1' } } };
const at = (port: number, mode: string) => ({ ports: [{ port, mode }] });

interface Given {
  readonly mesh?: MtlsMode;
  readonly minimum?: MtlsMode;
  readonly policies: readonly TlsPolicy[];
}

/** shop/reviews with pods a and b of v1, and c of v2, at port 9080. */
function shop({ mesh: mtls = 'permissive', minimum = 'permissive', policies }: Given): MeshTables {
  const mesh = aShop();
  mesh.setSettings({ ...DEFAULT_SETTINGS, mtls, mtlsMinimum: minimum });
  for (const one of policies) mesh.tlsPolicies.set(one);
  return mesh;
}

const SERVICE: DestinationRef = { kind: 'service', service: 'shop/reviews', port: 8080 };

/** The mode of ports that nobody names, and of those somebody does. */
function modesOf(mesh: MeshTables, uid = 'a'): Record<string, string> {
  const { mtls, inboundPorts } = compileWorkload(mesh, uid)!.workload;
  return { all: mtls, ...Object.fromEntries(inboundPorts.map(({ port, mtls: mode }) => [port, mode])) };
}

/** Whether callers prove who they are to each endpoint, by the name of the pod. */
function proved(mesh: MeshTables): Record<string, boolean> {
  const { endpoints } = compileDestination(mesh, SERVICE, 'web')!.destination;
  return Object.fromEntries(
    endpoints.map(({ address, identity }) => [mesh.workloadAt(address)!.uid, identity !== undefined]),
  );
}

describe('what is more specific comes first', () => {
  const namespaceWide = policy('all', { mode: 'Strict' });
  const ofPods = policy('pods', { ...V1, mode: 'Permissive' });
  const ofPort = policy('port', { ...V1, ...at(9080, 'Strict') });
  const elsewhere = policy('elsewhere', { mode: 'Strict' }, 'other');
  test.each<[string, Given, object, object]>([
    ['nobody says anything', { policies: [elsewhere] }, { all: 'permissive', 9080: 'permissive' }, {}],
    ['the mesh', { mesh: 'strict', policies: [] }, { all: 'strict', 9080: 'strict' }, { all: 'strict' }],
    ['a namespace', { policies: [namespaceWide] }, { all: 'strict', 9080: 'strict' }, { all: 'strict' }],
    [
      'pods before their namespace',
      { mesh: 'strict', policies: [namespaceWide, ofPods] },
      { all: 'permissive', 9080: 'permissive' },
      { all: 'strict' },
    ],
    [
      'a port before its pods',
      { policies: [namespaceWide, ofPods, ofPort] },
      { all: 'permissive', 9080: 'strict' },
      { all: 'strict' },
    ],
  ])('%s', (_what, given, a, c) => {
    const mesh = shop(given);
    expect(modesOf(mesh, 'a')).toEqual(a);
    expect(modesOf(mesh, 'c')).toMatchObject(c);
  });

  test('a port that no Service sends to is listed with its mode', () => {
    const mesh = shop({ policies: [policy('port', { ...V1, ...at(15000, 'Strict') })] });
    expect(modesOf(mesh)).toEqual({ all: 'permissive', 9080: 'permissive', 15000: 'strict' });
    expect(modesOf(mesh, 'c')).toEqual({ all: 'permissive', 9080: 'permissive' });
  });
});

test('of two that say something about the same the stricter holds, whichever is older', () => {
  const open = policy('open', { ...V1, mode: 'Permissive', ...at(9080, 'Permissive') });
  const closed = policy('closed', { ...V1, mode: 'Strict', ...at(9080, 'Strict') });
  for (const policies of [
    [open, closed],
    [closed, open],
  ]) {
    const mesh = shop({ policies });
    expect(modesOf(mesh)).toEqual({ all: 'strict', 9080: 'strict' });
    expect(judgeTlsPolicy(mesh, closed)).toEqual([]);
    expect(judgeTlsPolicy(mesh, open)).toMatchObject([
      {
        reason: 'Conflicted',
        field: 'spec.mode',
        message: expect.stringMatching(/shop\/closed says Strict/),
      },
      { reason: 'Conflicted', field: 'spec.ports[0].mode' },
    ]);
  }
});

test('policies that select no pod both do not conflict, and are judged again when one comes', () => {
  const open = policy('open', { ...V1, mode: 'Permissive' });
  const closed = policy('closed', { selector: { matchLabels: { tier: 'front' } }, mode: 'Strict' });
  const mesh = shop({ policies: [open, closed] });
  expect(judgeTlsPolicy(mesh, open)).toEqual([]);
  const dirty = mesh.workloads.set(
    aWorkload('d', '10.244.0.4', { labels: { version: 'v1', tier: 'front' } }),
  );
  expect(tlsPoliciesAbout(mesh, dirty)).toEqual([open, closed]);
  expect(judgeTlsPolicy(mesh, open)).toMatchObject([{ reason: 'Conflicted' }]);
  expect(isTlsPolicyInForce(mesh, open)).toBe(true);
});

test('of two about a namespace the less strict one is not in force', () => {
  const [open, closed] = [policy('open', { mode: 'Permissive' }), policy('closed', { mode: 'Strict' })];
  const mesh = shop({ policies: [open, closed] });
  expect([open, closed].map((one) => isTlsPolicyInForce(mesh, one))).toEqual([false, true]);
});

test.each<[string, object]>([
  ['for a namespace', { mode: 'Permissive' }],
  ['for pods', { ...V1, mode: 'Permissive' }],
  ['for a port', { ...V1, ...at(9080, 'Permissive') }],
  ['for a port, in plain text', { ...V1, ...at(9080, 'Disabled') }],
])('nothing goes below the minimum of the installation: %s', (_what, spec) => {
  const low = policy('low', spec);
  const mesh = shop({ mesh: 'strict', minimum: 'strict', policies: [low] });
  expect(modesOf(mesh)).toEqual({ all: 'strict', 9080: 'strict' });
  expect(proved(mesh)).toEqual({ a: true, b: true, c: true });
  expect(judgeTlsPolicy(mesh, low)).toMatchObject([
    { condition: 'Accepted', reason: 'BelowMinimum', message: expect.stringMatching(/raise it to Strict/) },
  ]);
  expect(isTlsPolicyInForce(mesh, low)).toBe(false);
});

test('what is below the minimum leaves the word to what is said beside it', () => {
  const mesh = shop({
    mesh: 'permissive',
    policies: [policy('closed', { mode: 'Strict' }), policy('low', { ...V1, mode: 'Disabled' })],
  });
  expect(modesOf(mesh)).toEqual({ all: 'strict', 9080: 'strict' });
});

test('callers use plain text at what is Disabled, and the receiver still takes both', () => {
  const disabled = policy('off', { ...V1, ...at(9080, 'Disabled') });
  const mesh = shop({ minimum: 'disabled', policies: [disabled] });
  expect(proved(mesh)).toEqual({ a: false, b: false, c: true });
  expect(modesOf(mesh)).toEqual({ all: 'permissive', 9080: 'permissive' });
  const pod = (port: number): DestinationRef => ({ kind: 'pod', uid: 'a', address: '10.244.0.1', port });
  const identities = [9080, 9090].map(
    (port) => compileDestination(mesh, pod(port), 'web')!.destination.endpoints[0]?.identity,
  );
  expect(identities).toEqual([undefined, 'spiffe://cluster.local/ns/shop/sa/reviews']);
});

test('a change reaches the pods and whoever calls them, whose answers count', () => {
  const mesh = shop({ policies: [] });
  const before = [compileWorkload(mesh, 'a')!, compileDestination(mesh, SERVICE, 'web')!];
  const dirty = mesh.tlsPolicies.set(policy('all', { mode: 'Strict' }));
  expect([...dirty]).toEqual(['mtls/shop']);
  for (const { depends } of before) expect(depends).toContain('mtls/shop');
  const after = [compileWorkload(mesh, 'a')!, compileDestination(mesh, SERVICE, 'web')!];
  for (const { sources } of after) expect(sources.map(({ uid }) => uid)).toEqual(['all']);
});

test('a port that bypasses the proxy gets nothing where its pod is Strict', () => {
  const mesh = shop({ policies: [policy('v1', { ...V1, mode: 'Strict' })] });
  mesh.workloads.set(aWorkload('a', '10.244.0.1', { labels: { version: 'v1' }, skipInboundPorts: [9080] }));
  mesh.workloads.set(aWorkload('c', '10.244.0.3', { labels: { version: 'v2' }, skipInboundPorts: [9080] }));
  expect(proved(mesh)).toEqual({ b: true, c: false });
});

describe('a policy that cannot be read, and of which no earlier form is known', () => {
  const { ref } = policy('newer', { mode: 'Strict' });
  const unread = (spec: unknown) => unreadTlsPolicy({ spec }, ref);
  const labels = { version: 'v1' };
  test.each<[string, unknown, object | undefined]>([
    ['only opens', { mode: 'Permissive', newer: 1 }, undefined],
    ['only opens ports', { ports: [{ port: 1, mode: 'Disabled', newer: 1 }] }, undefined],
    ['says nothing', undefined, undefined],
    ['closes a namespace', { mode: 'Strict', newer: 1 }, { mode: 'strict' }],
    ['has a word that is not known', { mode: 'StrictPlus' }, { mode: 'strict' }],
    ['closes some ports', { ports: [{ port: 1, mode: 'Strict' }], newer: 1 }, { mode: 'strict' }],
    ['has ports of another shape', { mode: 'Permissive', ports: 3 }, { mode: 'strict' }],
    [
      'closes pods',
      { mode: 'Strict', selector: { matchLabels: labels }, newer: 1 },
      { mode: 'strict', selector: labels },
    ],
    [
      'closes pods that it selects in a newer way',
      { mode: 'Strict', selector: { matchLabels: labels, newer: 1 } },
      { mode: 'strict' },
    ],
  ])('%s', (_what, spec, stands) => {
    expect(unread(spec)).toEqual(stands === undefined ? undefined : { ref, ports: [], ...stands });
  });
});
