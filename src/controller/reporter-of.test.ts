import { expect, test } from '@jest/globals';
import type { Pod } from '../kube/index.js';
import { reporterOf } from './reporter-of.js';

const POD = {
  namespace: 'shop',
  name: 'web-7d4-x',
  serviceAccount: 'web',
  addresses: [],
  hostNetwork: false,
};

function reported(metadata: object): string {
  const pods = { get: (key: string) => (key === 'shop/web-7d4-x' ? ({ metadata } as Pod) : undefined) };
  const { namespace, kind, name, identity } = reporterOf(pods, 'cluster.local', POD);
  expect([namespace, identity]).toEqual(['shop', 'spiffe://cluster.local/ns/shop/sa/web']);
  return `${kind}/${name}`;
}

test.each<[string, object, string]>([
  [
    'a Deployment',
    { owner: { kind: 'ReplicaSet', name: 'web-7d4' }, labels: { 'pod-template-hash': '7d4' } },
    'Deployment/web',
  ],
  ['a ReplicaSet of its own', { owner: { kind: 'ReplicaSet', name: 'web' }, labels: {} }, 'ReplicaSet/web'],
  [
    'a ReplicaSet with another hash',
    { owner: { kind: 'ReplicaSet', name: 'web-1' }, labels: { 'pod-template-hash': '2' } },
    'ReplicaSet/web-1',
  ],
  ['a StatefulSet', { owner: { kind: 'StatefulSet', name: 'db' }, labels: {} }, 'StatefulSet/db'],
  ['nobody', { labels: {} }, 'Pod/web-7d4-x'],
])('the workload of a pod of %s', (_, metadata, expected) => {
  expect(reported(metadata)).toBe(expected);
});

test('a pod that is not in the cache yet is its own workload', () => {
  expect(reporterOf({ get: () => undefined }, 'cluster.local', POD)).toMatchObject({
    kind: 'Pod',
    name: 'web-7d4-x',
  });
});
