import { expect, test } from '@jest/globals';
import { meshContainers } from '../testing/index.js';
import { toMeshPod, type MeshPod } from './pod-list.js';

type RawPod = Parameters<typeof toMeshPod>[0];

const ours = [meshContainers().init, meshContainers().proxy] as unknown as RawPod['spec']['initContainers'];
const lookalike = [{ name: 'weft-proxy', image: 'example.org/other:1', env: [] }];

function pod(
  initContainers: RawPod['spec']['initContainers'],
  options: { injection?: string; label?: string; phase?: string } = {},
): MeshPod {
  const { injection, label, phase = 'Running' } = options;
  return toMeshPod({
    metadata: {
      name: 'a',
      namespace: 'shop',
      uid: 'a',
      labels: label === undefined ? {} : { 'weft.dev/inject': label },
      annotations: injection === undefined ? {} : { 'weft.dev/injection': injection },
      ownerReferences: [],
    },
    spec: {
      serviceAccountName: 'web',
      containers: [],
      initContainers: initContainers.map((container) => ({ ...container, image: '', env: [] })),
    },
    status: { phase, conditions: [] },
  });
}

test.each([
  ['with what the webhook adds and its word', ours, { injection: 'injected' }, [true, false, 'injected']],
  ['with what the webhook adds, by hand', ours, {}, [true, false, 'injected']],
  [
    'with a container of that name, left alone',
    lookalike,
    { injection: 'skipped: a container is named weft-proxy' },
    [false, false, 'skipped: a container is named weft-proxy'],
  ],
  ['with a container of that name alone', lookalike, {}, [false, true, 'is not what Weft adds']],
  [
    'with a container of that name that claims to be the proxy',
    lookalike,
    { injection: 'injected' },
    [false, true, 'is not what Weft adds'],
  ],
  ['without', [], {}, [false, true, 'restart its workload']],
  ['without, but for a claim', [], { injection: 'injected' }, [false, true, 'restart its workload']],
  ['that opted out', [], { label: 'disabled' }, [false, false, 'opted out by its label']],
])('a pod %s', (_name, containers, options, [meshed, lacksProxy, injection]) => {
  const { scrapable, view } = pod(containers as typeof ours, options);
  expect([scrapable, view.identity !== '', view.lacksProxy]).toEqual([meshed, meshed, lacksProxy]);
  expect(view.injection).toContain(injection);
});

test('what ran to its end or failed for good has ended, and nothing else', () => {
  const phases = ['Succeeded', 'Failed', 'Running', 'Pending', 'Unknown'];
  expect(phases.filter((phase) => pod(ours, { phase }).ended)).toEqual(['Succeeded', 'Failed']);
});
