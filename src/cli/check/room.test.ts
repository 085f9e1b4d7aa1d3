import { expect, test } from '@jest/globals';
import { limitRange, refusals, resourceQuota, type Refusal } from './room.js';

/** The chart's values. */
const defaults = { cpu: { request: '10m' }, memory: { request: '16Mi', limit: '128Mi' } };

interface Given {
  readonly hard?: Readonly<Record<string, string>>;
  readonly limits?: object;
  readonly annotations?: Readonly<Record<string, string>>;
}

function judged({ hard, limits, annotations = {} }: Given): readonly Refusal[] {
  const metadata = { name: 'it' };
  return refusals({
    defaults,
    annotations,
    quotas: hard === undefined ? [] : [resourceQuota.parse({ metadata, spec: { hard } })],
    ranges:
      limits === undefined
        ? []
        : [limitRange.parse({ metadata, spec: { limits: [{ type: 'Container', ...limits }] } })],
  });
}

test.each<[string, Given]>([
  ['nothing', {}],
  ['a quota of what the proxy sets', { hard: { 'requests.cpu': '4', 'limits.memory': '8Gi', pods: '10' } }],
  [
    'a quota of CPU limits, and a default for them',
    { hard: { 'limits.cpu': '4' }, limits: { default: { cpu: '1' } } },
  ],
  ['a range that the proxy keeps to', { limits: { min: { cpu: '5m' }, max: { memory: '1Gi' } } }],
  ['a range of volumes', { limits: { type: 'PersistentVolumeClaim', min: { cpu: '5' } } }],
  [
    'a quota that the namespace answers',
    { hard: { 'limits.cpu': '4' }, annotations: { 'weft.dev/proxy-cpu-limit': '1' } },
  ],
])('%s leaves room', (_what, given) => {
  expect(judged(given)).toEqual([]);
});

test.each<[string, Given, string, Readonly<Record<string, string>>]>([
  [
    'a quota of CPU limits',
    { hard: { 'limits.cpu': '4' } },
    'ResourceQuota it counts limits.cpu, and the proxy sets no cpu limit',
    { 'weft.dev/proxy-cpu-request': '10m', 'weft.dev/proxy-cpu-limit': '1000m' },
  ],
  [
    'a minimum above the request',
    { limits: { min: { cpu: '100m' } } },
    'LimitRange it asks for at least 100m of cpu a container, and the proxy requests 10m',
    { 'weft.dev/proxy-cpu-request': '100m' },
  ],
  [
    'a maximum where there is no limit',
    { limits: { max: { cpu: '500m' } } },
    'LimitRange it allows at most 500m of cpu a container, and the proxy has no limit',
    { 'weft.dev/proxy-cpu-request': '10m', 'weft.dev/proxy-cpu-limit': '500m' },
  ],
  [
    'a maximum below the limit',
    { limits: { max: { memory: '64Mi' } } },
    'LimitRange it allows at most 64Mi of memory a container, and the proxy has a limit of 128Mi',
    { 'weft.dev/proxy-memory-request': '16Mi', 'weft.dev/proxy-memory-limit': '64Mi' },
  ],
  [
    'a ratio',
    { limits: { maxLimitRequestRatio: { memory: '4' } } },
    'LimitRange it allows a memory limit of at most 4 times the request, and the proxy requests 16Mi with a limit of 128Mi',
    { 'weft.dev/proxy-memory-request': '32Mi', 'weft.dev/proxy-memory-limit': '128Mi' },
  ],
])('%s refuses pods, and the annotations that are named mend it', (_what, given, detail, annotations) => {
  const [refusal] = judged(given);
  expect(refusal).toEqual({ detail, annotations });
  expect(judged({ ...given, annotations })).toEqual([]);
});
