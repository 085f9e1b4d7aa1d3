import { expect, test } from '@jest/globals';
import { aPort, aService, aShop, aWorkload, anAddress, anEndpointSet } from '../../testing/mesh.js';
import { compileWorkload } from './compile-workload.js';
import { DEFAULT_SETTINGS } from '../words/settings.js';

/** The MeshConfig that the settings come from. */
const CONFIG = {
  kind: 'MeshConfig',
  namespace: '',
  name: 'default',
  uid: 'config-1',
  generation: 3,
  creationTimestamp: '2026-01-01T00:00:00Z',
} as const;

test('a pod learns who it is, what its ports speak and how strict to be', () => {
  const mesh = aShop();
  mesh.services.set(aService({ ports: [aPort({ appProtocol: 'http' })] }));
  mesh.workloads.set(
    aWorkload('a', '10.244.0.1', { zone: 'zone-a', labels: { version: 'v1' }, ingressMode: true }),
  );
  mesh.setSettings({
    ...DEFAULT_SETTINGS,
    mtls: 'strict',
    outbound: 'registryOnly',
    trustDomain: 'example.org',
    source: CONFIG,
  });
  expect(compileWorkload(mesh, 'a')).toEqual({
    uid: 'a',
    workload: {
      criticalFeatures: [],
      key: 'default/default/shop/a',
      identity: 'spiffe://example.org/ns/shop/sa/reviews',
      zone: 'zone-a',
      labels: { version: 'v1' },
      mtls: 'strict',
      inboundPorts: [{ port: 9080, protocol: 'http1', mtls: 'strict', services: ['shop/reviews'] }],
      outbound: 'registryOnly',
      ingressMode: true,
      via: false,
      forwarded: false,
    },
    sources: [CONFIG],
    depends: ['mesh', 'workload/a', 'mtls/shop', 'egress/shop', 'spec/shop/reviews', 'access/shop'],
  });
});

test('a pod that nobody knows has no configuration', () => {
  expect(compileWorkload(aShop(), 'nobody')).toBeUndefined();
});

test('a pod that is not ready yet has its ports already', () => {
  const mesh = aShop();
  mesh.endpointSets.set(anEndpointSet([anAddress('10.244.0.1', 'a', { ready: false, serving: false })]));
  expect(compileWorkload(mesh, 'a')?.workload.inboundPorts).toMatchObject([{ port: 9080 }]);
});

test('opaque ports are bytes whatever a Service says, and skipped ports are not listed', () => {
  const mesh = aShop();
  mesh.services.set(aService({ ports: [aPort({ appProtocol: 'http' })] }));
  mesh.workloads.set(aWorkload('a', '10.244.0.1', { opaquePorts: [9080, 5432, 7], skipInboundPorts: [7] }));
  expect(compileWorkload(mesh, 'a')?.workload.inboundPorts).toMatchObject([
    { port: 5432, protocol: 'opaque', services: [] },
    { port: 9080, protocol: 'opaque', services: ['shop/reviews'] },
  ]);
});

test.each([
  ['one that says nothing leaves it to the other', undefined, 'http', 'http1'],
  ['two that agree', 'http', 'http', 'http1'],
  ['two that contradict each other leave it to detection', 'grpc', 'http', 'unknown'],
])('two Services on one port: %s', (_what, first, second, protocol) => {
  const mesh = aShop();
  const ports = (appProtocol?: string) => [aPort(appProtocol === undefined ? {} : { appProtocol })];
  mesh.services.set(aService({ ports: ports(first) }));
  mesh.services.set(aService({ name: 'alias', clusterIPs: ['10.96.0.6'], ports: ports(second) }));
  mesh.endpointSets.set(
    anEndpointSet([anAddress('10.244.0.1', 'a')], { name: 'alias-1', service: 'shop/alias' }),
  );
  expect(compileWorkload(mesh, 'a')?.workload.inboundPorts).toEqual([
    { port: 9080, protocol, mtls: 'permissive', services: ['shop/alias', 'shop/reviews'] },
  ]);
});
