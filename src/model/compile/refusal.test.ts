import { expect, test } from '@jest/globals';
import { aPort, aService, aShop, aWorkload, anAddress, anEndpointSet } from '../../testing/mesh.js';
import { compileDestination } from './compile-destination.js';
import { compileWorkload } from './compile-workload.js';
import type { DestinationRef } from '../words/destination.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import { resolve } from './resolve.js';
import { DEFAULT_SETTINGS } from '../words/settings.js';

const SERVICE: DestinationRef = { kind: 'service', service: 'shop/reviews', port: 8080 };
const POD: DestinationRef = { kind: 'pod', uid: 'a', address: '10.244.0.1', port: 9080 };

/** Two pods behind a Service, the first of which does not capture the port. */
function shop(mtls: 'strict' | 'permissive', skipping = { a: true, b: false }): MeshTables {
  const mesh = aShop();
  mesh.setSettings({ ...DEFAULT_SETTINGS, mtls });
  const ports = (skips: boolean) => ({ skipInboundPorts: skips ? [9080] : [] });
  mesh.workloads.set(aWorkload('a', '10.244.0.1', ports(skipping.a)));
  mesh.workloads.set(aWorkload('b', '10.244.0.2', ports(skipping.b)));
  mesh.endpointSets.set(anEndpointSet([anAddress('10.244.0.1', 'a'), anAddress('10.244.0.2', 'b')]));
  return mesh;
}

const destination = (mesh: MeshTables, ref: DestinationRef) =>
  compileDestination(mesh, ref, 'shop')!.destination;

test('under Strict nothing is sent in plain text to a port that a meshed pod does not capture', () => {
  const { endpoints } = destination(shop('strict'), SERVICE);
  expect(endpoints.map(({ address }) => address)).toEqual(['10.244.0.2']);
  for (const ref of [SERVICE, POD]) {
    const { endpoints: none, backends } = destination(shop('strict', { a: true, b: true }), ref);
    expect(none).toEqual([]);
    expect(backends[0]?.invalid).toMatch(/^port 9080 of pod shop\/a bypasses its proxy/);
  }
});

test('where the mesh is permissive, such a port gets plain text', () => {
  const { endpoints } = destination(shop('permissive'), SERVICE);
  expect(endpoints.map(({ identity }) => identity === undefined)).toEqual([true, false]);
});

test('what is no pod of the mesh, and what the proxy itself serves, is reached under Strict as before', () => {
  const mesh = shop('strict');
  mesh.workloads.set(aWorkload('a', '10.244.0.1', { meshed: false }));
  expect(destination(mesh, SERVICE).endpoints).toHaveLength(2);
  expect(destination(mesh, { ...POD, port: 15121 }).endpoints).toHaveLength(1);
});

test('a slice of another namespace changes neither the protocol of a pod nor the choice of an ingress', () => {
  const mesh = aShop();
  const foreign = { namespace: 'evil', service: 'evil/web', name: 'evil' };
  mesh.services.set(
    aService({ namespace: 'evil', name: 'web', clusterIPs: [], ports: [aPort({ appProtocol: 'tcp' })] }),
  );
  mesh.services.set(aService({ ports: [aPort({ appProtocol: 'http' })] }));
  mesh.endpointSets.set(anEndpointSet([anAddress('10.244.0.1', 'a')], foreign));
  expect(compileWorkload(mesh, 'a')?.workload.inboundPorts).toMatchObject([
    { port: 9080, protocol: 'http1', services: ['shop/reviews'] },
  ]);
  expect(resolve(mesh, 'endpoint/10.244.0.1:9080/web.evil')).toMatchObject({ service: 'shop/reviews' });
});

test('a slice cannot turn off what callers demand by naming another pod for an address', () => {
  const mesh = aShop();
  mesh.workloads.set(aWorkload('plain', '10.244.0.77', { meshed: false }));
  mesh.endpointSets.set(anEndpointSet([anAddress('10.244.0.1', 'plain')]));
  const [endpoint] = destination(mesh, SERVICE).endpoints;
  expect(endpoint).toMatchObject({
    address: '10.244.0.1',
    identity: 'spiffe://cluster.local/ns/shop/sa/reviews',
  });
});
