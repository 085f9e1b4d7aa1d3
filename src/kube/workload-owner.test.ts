import { expect, test } from '@jest/globals';
import { workloadOwner, type OwnedPod } from './workload-owner.js';

test.each<[string, Pick<OwnedPod, 'owner' | 'labels'>, string]>([
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
  [
    'a ReplicaSet whose pods have an empty hash',
    { owner: { kind: 'ReplicaSet', name: 'web-' }, labels: { 'pod-template-hash': '' } },
    'ReplicaSet/web-',
  ],
  [
    'a StatefulSet that carries the hash',
    { owner: { kind: 'StatefulSet', name: 'db-7d4' }, labels: { 'pod-template-hash': '7d4' } },
    'StatefulSet/db-7d4',
  ],
  ['nobody', { owner: undefined, labels: {} }, 'Pod/web-7d4-x'],
])('the workload of a pod of %s', (_, pod, expected) => {
  const { kind, name } = workloadOwner({ name: 'web-7d4-x', ...pod });
  expect(`${kind}/${name}`).toBe(expected);
});
