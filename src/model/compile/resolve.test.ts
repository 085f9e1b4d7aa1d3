import { describe, expect, test } from '@jest/globals';
import { aPort, aService, aShop, aWorkload, anAddress, anEndpointSet } from '../../testing/mesh.js';
import { resolve } from './resolve.js';

const mesh = aShop();
mesh.services.set(
  aService({
    name: 'dual',
    clusterIPs: ['10.96.0.6', 'fd00:96::6'],
    ports: [aPort(), aPort({ port: 53, protocol: 'UDP' })],
  }),
);
mesh.services.set(aService({ name: 'headless', clusterIPs: [], headless: true }));
mesh.services.set(aService({ name: 'outside', clusterIPs: [], type: 'ExternalName' }));
mesh.workloads.set(aWorkload('node-agent', '192.168.0.1', { hostNetwork: true }));
mesh.workloads.set(aWorkload('dual-1', '10.244.0.9', { ips: ['10.244.0.9', 'fd00:244::9'] }));

const reviews = { kind: 'service', service: 'shop/reviews', port: 8080 };
const dual = { kind: 'service', service: 'shop/dual', port: 8080 };

test.each([
  ['ip/10.96.0.5:8080', reviews],
  ['ip/10.96.0.6:8080', dual],
  ['ip/[fd00:96::6]:8080', { ...dual, family: 'ipv6' }],
  ['ip/[FD00:0096:0::6]:8080', { ...dual, family: 'ipv6' }],
  ['ip/[::ffff:10.96.0.5]:8080', reviews],
  ['ip/10.244.0.1:9080', { kind: 'pod', uid: 'a', address: '10.244.0.1', port: 9080 }],
  ['ip/[fd00:244::9]:1', { kind: 'pod', uid: 'dual-1', address: 'fd00:244::9', port: 1 }],
])('%s names %j', (subscription, want) => {
  expect(resolve(mesh, subscription)).toEqual(want);
});

test.each([
  ['a port that the Service lacks', 'ip/10.96.0.5:81'],
  ['a port that is not TCP', 'ip/10.96.0.6:53'],
  ['an address of nobody', 'ip/10.96.0.7:8080'],
  ['the address of a node', 'ip/192.168.0.1:8080'],
  ['an address without port', 'ip/10.96.0.5'],
  ['a host instead of an address', 'ip/reviews.shop:8080'],
  ['a host that no ingress asks about', 'ip/10.96.0.5:8080/reviews.shop'],
  ['an endpoint of nobody', 'endpoint/10.244.9.9:9080'],
  ['nothing', ''],
  ['another scheme', 'pod/a:8080'],
])('%s is unknown: %s', (_what, subscription) => {
  expect(resolve(mesh, subscription)).toBeUndefined();
});

test('an address that moved to another pod belongs to the newer one, also when the older ends later', () => {
  const moved = aShop();
  moved.workloads.set(aWorkload('newer', '10.244.0.1'));
  moved.workloads.delete('a');
  expect(resolve(moved, 'ip/10.244.0.1:1')).toMatchObject({ uid: 'newer' });
});

describe('an endpoint that an ingress dialled', () => {
  const ingress = aShop();
  const pod = { kind: 'pod', uid: 'a', address: '10.244.0.1', port: 9080 };

  test.each([
    ['endpoint/10.244.0.1:9080', reviews],
    ['endpoint/10.244.0.1:9080/example.com', reviews],
    ['endpoint/10.96.0.5:8080', reviews],
    ['endpoint/10.244.0.1:9081', { ...pod, port: 9081 }],
  ])('%s is %j where one Service has it', (subscription, want) => {
    expect(resolve(ingress, subscription)).toEqual(want);
  });

  const shared = aShop();
  shared.services.set(
    aService({ name: 'reviews-v1', clusterIPs: ['10.96.0.8'], ports: [aPort({ port: 80 })] }),
  );
  shared.services.set(aService({ name: 'other', clusterIPs: ['10.96.0.9'] }));
  shared.endpointSets.set(
    anEndpointSet([anAddress('10.244.0.1', 'a')], { name: 'reviews-v1-1', service: 'shop/reviews-v1' }),
  );
  const v1 = { kind: 'service', service: 'shop/reviews-v1', port: 80 };

  test.each([
    ['endpoint/10.244.0.1:9080', pod],
    ['endpoint/10.244.0.1:9080/example.com', pod],
    ['endpoint/10.244.0.1:9080/reviews.shop.svc.cluster.local', reviews],
    ['endpoint/10.244.0.1:9080/Reviews.Shop.svc.cluster.local.', reviews],
    ['endpoint/10.244.0.1:9080/reviews-v1.shop', v1],
    ['endpoint/10.244.0.1:9080/reviews-v1.shop.svc', v1],
    ['endpoint/10.244.0.1:9080/other.shop', pod],
    ['endpoint/10.244.0.1:9080/pod-0.reviews.shop.svc.cluster.local', pod],
    ['endpoint/10.244.0.1:9080/nobody.shop', pod],
  ])('%s is %j where several have it', (subscription, want) => {
    expect(resolve(shared, subscription)).toEqual(want);
  });
});
