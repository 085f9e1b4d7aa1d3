import { expect, test } from '@jest/globals';
import { Store, type CustomObject, type KubeObject } from '../kube/index.js';
import { podCertificateObstacle } from './pod-certificate-obstacle.js';

type View = Parameters<typeof podCertificateObstacle>[0];

function viewOf(kubelets: readonly string[], served: readonly string[], bundles: readonly string[]): View {
  const storeOf = (objects: readonly object[]): Store<KubeObject> => {
    const store = new Store<KubeObject>(() => undefined);
    for (const object of objects) store.set(object as CustomObject);
    return store;
  };
  const meta = (name: string): object => ({ name, namespace: '' });
  return {
    nodes: {
      store: storeOf(kubelets.map((kubeletVersion, n) => ({ metadata: meta(`node-${n}`), kubeletVersion }))),
    },
    clusterTrustBundles: {
      isServed: served.includes('bundles'),
      store: storeOf(bundles.map((name) => ({ metadata: meta(name) }))),
    },
    podCertificateRequests: { isServed: served.includes('requests') },
  } as unknown as View;
}

const BOTH = ['bundles', 'requests'];
const OURS = ['weft.dev:workload:default'];

test.each([
  ['all is there', ['v1.37.2', 'v1.38.0', 'unreadable'], BOTH, OURS, undefined],
  ['an old API server', ['v1.36.1'], [], [], /API server does not serve/],
  ['one kind only', ['v1.37.2'], ['bundles'], OURS, /API server does not serve/],
  ['one old kubelet', ['v1.37.2', 'v1.36.9'], BOTH, OURS, /node-1 is of v1\.36\.9/],
  ['no roots yet', ['v1.37.2'], BOTH, [], /weft\.dev:workload:default is not there yet/],
  ['the roots of another revision', ['v1.37.2'], BOTH, ['weft.dev:workload:canary'], /is not there yet/],
] as const)('%s', (_what, kubelets, served, bundles, wanted) => {
  const obstacle = podCertificateObstacle(viewOf(kubelets, served, bundles), 'default');
  expect(obstacle).toEqual(wanted === undefined ? undefined : expect.stringMatching(wanted));
});
