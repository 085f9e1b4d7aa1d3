import { expect, test } from '@jest/globals';
import { toMeshPod } from './pod-list.js';

const pod = (injection?: string) =>
  toMeshPod({
    metadata: {
      name: 'a',
      namespace: 'shop',
      uid: 'a',
      labels: {},
      annotations: injection === undefined ? {} : { 'weft.dev/injection': injection },
      ownerReferences: [],
    },
    spec: {
      serviceAccountName: 'web',
      containers: [{ name: 'weft-proxy', image: 'example.org/other:1', env: [] }],
      initContainers: [],
    },
    status: { phase: 'Running', conditions: [] },
  });

test('a pod that the webhook left alone is not in the mesh, whatever its containers are called', () => {
  const skipped = pod('skipped: a container is named weft-proxy');
  expect([skipped.scrapable, skipped.view.identity, skipped.view.proxyVersion]).toEqual([false, '', '']);
  expect(skipped.view.injection).toContain('skipped');
  for (const decision of ['injected', undefined]) {
    expect(pod(decision)).toMatchObject({ scrapable: true, view: { injection: 'injected' } });
  }
});
