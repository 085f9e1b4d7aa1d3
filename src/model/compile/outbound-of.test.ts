import { describe, expect, test } from '@jest/globals';
import { AUTHORITY_PEM, aCaBundle } from '../../testing/backend-tls.js';
import { aMesh, aWorkload } from '../../testing/mesh.js';
import {
  externalServicesAbout,
  isExternalServiceInForce,
  judgeExternalService,
} from '../judge/judge-external-service.js';
import { toExternalService } from '../read/to-external-service.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import type { ExternalService } from '../words/external-service.js';
import { DEFAULT_SETTINGS, type OutboundPolicy } from '../words/settings.js';
import { compileWorkload } from './compile-workload.js';

const SPEC = { hosts: ['api.stripe.com'], ports: [{ port: 443, protocol: 'TLS' }] };

function external(name: string, spec: object = SPEC, fields: object = {}): ExternalService {
  const created = { generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' };
  const metadata = { namespace: 'shop', name, uid: name, ...created, ...fields };
  const read = toExternalService({
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'ExternalService',
    metadata,
    spec,
  });
  if (read.service === undefined) throw new Error(JSON.stringify(read.problems));
  return read.service;
}

interface Said {
  readonly mesh: OutboundPolicy;
  readonly namespace?: OutboundPolicy;
  readonly pod?: string;
  readonly minimum?: OutboundPolicy;
}

function meshOf({ mesh: outbound, namespace, pod, minimum = 'allowAny' }: Said): MeshTables {
  const mesh = aMesh();
  mesh.setSettings({ ...DEFAULT_SETTINGS, outbound, outboundMinimum: minimum });
  if (namespace !== undefined) mesh.namespaces.set({ name: 'shop', outbound: namespace });
  const labels = pod === undefined ? {} : { 'weft.dev/outbound-policy': pod };
  mesh.workloads.set(aWorkload('a', '10.244.0.1', { labels, serviceAccount: 'payments' }));
  return mesh;
}

const told = (mesh: MeshTables) => compileWorkload(mesh, 'a')!;

describe('what is more specific comes first, and nothing goes below the minimum', () => {
  test.each<[string, Said, OutboundPolicy]>([
    ['the mesh', { mesh: 'registryOnly' }, 'registryOnly'],
    ['a namespace that is stricter', { mesh: 'allowAny', namespace: 'dryRun' }, 'dryRun'],
    ['a namespace that is more open', { mesh: 'registryOnly', namespace: 'allowAny' }, 'allowAny'],
    [
      'such a namespace, below the minimum',
      { mesh: 'registryOnly', namespace: 'allowAny', minimum: 'dryRun' },
      'dryRun',
    ],
    ['a pod that is stricter', { mesh: 'dryRun', pod: 'RegistryOnly' }, 'registryOnly'],
    ['a pod that would be more open', { mesh: 'registryOnly', pod: 'AllowAny' }, 'registryOnly'],
    ['a pod with a word that nobody knows', { mesh: 'allowAny', pod: 'Never' }, 'registryOnly'],
  ])('%s', (_what, said, want) => {
    expect(told(meshOf(said)).workload.outbound).toBe(want);
  });
});

test('a pod is told what its namespace declares, and what of it is not for the pod', () => {
  const mesh = meshOf({ mesh: 'registryOnly' });
  const others = external('others', { ...SPEC, serviceAccounts: ['web'] });
  const all = external('warehouse', {
    hosts: ['*.warehouse.example'],
    ports: [
      { port: 5432, protocol: 'TCP' },
      { port: 80, protocol: 'HTTP' },
    ],
    addresses: ['203.0.113.0/24', '2001:DB8::/32'],
    serviceAccounts: ['web', 'payments'],
  });
  const elsewhere = external('elsewhere', SPEC, { namespace: 'other' });
  const dirty = [others, all, elsewhere].map((one) => [...mesh.externalServices.set(one)]);
  expect(dirty).toEqual([['egress/shop'], ['egress/shop'], ['egress/other']]);
  const { workload, sources, depends } = told(mesh);
  expect(workload.externalServices).toEqual([
    {
      name: 'shop/others',
      hosts: ['api.stripe.com'],
      ports: [{ port: 443, protocol: 'tls' }],
      addresses: [],
      privateAddresses: false,
      permitted: false,
    },
    {
      name: 'shop/warehouse',
      hosts: ['*.warehouse.example'],
      ports: [
        { port: 5432, protocol: 'tcp' },
        { port: 80, protocol: 'http' },
      ],
      addresses: [
        { address: '203.0.113.0', length: 24 },
        { address: '2001:db8::', length: 32 },
      ],
      privateAddresses: false,
      permitted: true,
    },
  ]);
  expect(workload.criticalFeatures).toEqual(['workload.external-services']);
  expect(sources.map(({ uid }) => uid)).toEqual(['others', 'warehouse']);
  expect(depends).toContain('egress/shop');
});

test('where nobody judges pods are told of none', () => {
  const mesh = meshOf({ mesh: 'allowAny' });
  mesh.externalServices.set(external('stripe'));
  expect(told(mesh).workload).not.toHaveProperty('externalServices');
  expect(told(mesh).sources).toEqual([]);
  expect([...mesh.namespaces.set({ name: 'shop', outbound: 'dryRun' })]).toEqual(['egress/shop']);
  expect(told(mesh).workload.externalServices).toMatchObject([{ name: 'shop/stripe', permitted: true }]);
});

test('of too many the youngest lets nothing out, and is told so', () => {
  const mesh = meshOf({ mesh: 'registryOnly' });
  for (let number = 0; number < 64; number += 1) mesh.externalServices.set(external(`old-${number}`));
  const young = external('young', SPEC, { creationTimestamp: '2026-02-01T00:00:00Z' });
  mesh.externalServices.set(young);
  expect(told(mesh).workload.externalServices).toHaveLength(64);
  expect(isExternalServiceInForce(mesh, young)).toBe(false);
  expect(judgeExternalService(mesh, young)).toMatchObject([{ condition: 'Accepted', reason: 'TooLarge' }]);
  const dirty = mesh.externalServices.delete('old-0');
  expect(externalServicesAbout(mesh, dirty)).toContain(young);
  expect(judgeExternalService(mesh, young)).toEqual([]);
  expect(isExternalServiceInForce(mesh, young)).toBe(true);
});

test('what opens TLS counts first, and where too much of it would not count the proxy lets nothing else out', () => {
  const mesh = meshOf({ mesh: 'allowAny' });
  const tls = { mode: 'Originate', wellKnownCACertificates: 'System' };
  const opening = (name: string): ExternalService =>
    external(
      name,
      { hosts: [`${name}.example.com`], ports: [{ port: 80, protocol: 'HTTP', tls }] },
      { creationTimestamp: '2026-02-01T00:00:00Z' },
    );
  for (let number = 0; number < 64; number += 1) mesh.externalServices.set(external(`old-${number}`));
  const young = opening('young');
  mesh.externalServices.set(young);
  expect(isExternalServiceInForce(mesh, young)).toBe(true);
  expect(told(mesh).workload.outbound).toBe('allowAny');
  for (let number = 0; number < 63; number += 1) mesh.externalServices.set(opening(`a-${number}`));
  expect(told(mesh).workload.outbound).toBe('allowAny');
  mesh.externalServices.set(opening('z'));
  expect(told(mesh).workload.outbound).toBe('registryOnly');
  expect(told(mesh).workload.externalServices).toHaveLength(64);
  expect(judgeExternalService(mesh, opening('z'))).toMatchObject([
    { reason: 'TooLarge', message: expect.stringContaining('reach nothing outside the mesh') },
  ]);
});

const CA = { group: '', kind: 'ConfigMap', name: 'ca' };

/** An ExternalService whose requests go out in TLS. */
function originating(name: string, tls: object, spec: object = {}): ExternalService {
  const ports = [{ port: 80, protocol: 'HTTP', tls: { mode: 'Originate', ...tls } }];
  return external(name, { hosts: [`*.${name}.example`], ports, ...spec });
}

test('TLS is asked for under every policy, with each list of authorities once', () => {
  for (const policy of ['allowAny', 'dryRun', 'registryOnly'] as const) {
    const mesh = meshOf({ mesh: policy });
    mesh.caBundles.set(aCaBundle());
    const names = [
      { type: 'Hostname', hostname: '*.b.example' },
      { type: 'URI', uri: 'spiffe://b.example/api' },
    ];
    for (const one of [
      originating('a', { wellKnownCACertificates: 'System' }),
      originating('b', { caCertificateRefs: [CA], port: 8443, subjectAltNames: names }),
      originating('c', { caCertificateRefs: [CA] }, { serviceAccounts: ['web'] }),
      originating('d', { wellKnownCACertificates: 'System' }),
    ])
      mesh.externalServices.set(one);
    const { workload, sources } = told(mesh);
    const http = { port: 80, protocol: 'http' } as const;
    const proof = { port: 443, dnsNames: [], uris: [] };
    const b = { port: 8443, dnsNames: ['*.b.example'], uris: ['spiffe://b.example/api'], authorities: 1 };
    expect(workload.externalServices).toMatchObject([
      { ports: [{ ...http, tls: { ...proof, authorities: 0 } }], permitted: true },
      { ports: [{ ...http, tls: b }], permitted: true },
      { ports: [{ ...http, tls: { ...proof, authorities: 1 } }], permitted: false },
      { ports: [{ ...http, tls: { ...proof, authorities: 0 } }], permitted: true },
    ]);
    expect(workload.authorities?.map((list) => list.length > 50)).toEqual([true, false]);
    expect(workload.criticalFeatures).toEqual([
      'workload.external-services',
      'workload.external-services.tls',
    ]);
    expect(sources).toHaveLength(4);
  }
});

test('without an authority that can be read no server is verified, and TLS is asked for all the same', () => {
  const mesh = meshOf({ mesh: 'allowAny' });
  const service = originating('a', { caCertificateRefs: [CA] });
  mesh.externalServices.set(service);
  const tls = () => told(mesh).workload.externalServices?.[0]?.ports[0]?.tls;
  const field = 'spec.ports[0].tls.caCertificateRefs[0]';
  expect(tls()).toEqual({
    port: 443,
    dnsNames: [],
    uris: [],
    refused: expect.stringContaining(`${field}: ConfigMap shop/ca does not exist`),
  });
  expect(judgeExternalService(mesh, service)).toMatchObject([
    { condition: 'ResolvedRefs', reason: 'InvalidCACertificateRef', field },
  ]);
  expect(judgeExternalService(mesh, service)[0]?.message).toMatch(/answered with 503$/);
  const dirty = mesh.caBundles.set(aCaBundle());
  expect(externalServicesAbout(mesh, dirty)).toEqual([service]);
  expect(told(mesh).depends).toEqual(expect.arrayContaining([...dirty]));
  expect(tls()).toEqual({ port: 443, dnsNames: [], uris: [], authorities: 0 });
  expect(judgeExternalService(mesh, service)).toEqual([]);
  mesh.caBundles.delete('shop/ca');
  expect(tls()).toHaveProperty('refused');
});

test('a pod is told no more certificates than it can hold, and the rest verifies nobody', () => {
  const mesh = meshOf({ mesh: 'registryOnly' });
  const many = AUTHORITY_PEM.repeat(600);
  for (const name of ['a', 'b', 'c', 'd']) {
    mesh.caBundles.set({ namespace: 'shop', name, pem: many });
    mesh.externalServices.set(originating(name, { caCertificateRefs: [{ ...CA, name }] }));
  }
  const tls = told(mesh).workload.externalServices?.map(({ ports }) => ports[0]?.tls);
  expect(tls).toMatchObject([
    { authorities: 0 },
    { authorities: 1 },
    { refused: expect.stringContaining('bytes of certificates together') },
    { refused: expect.stringContaining('bytes of certificates together') },
  ]);
  const field = 'spec.ports[0].tls';
  const [first, , third] = mesh.externalServicesIn('shop');
  expect(judgeExternalService(mesh, first!)).toEqual([]);
  expect(judgeExternalService(mesh, third!)).toMatchObject([{ condition: 'ResolvedRefs', field }]);
});
