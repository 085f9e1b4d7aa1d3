import { describe, expect, test } from '@jest/globals';
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
