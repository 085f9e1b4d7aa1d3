import { expect, test } from '@jest/globals';
import { settings } from './fixtures.js';
import { parsePod } from './pod.js';
import { warningsAbout } from './warnings.js';

const warned = (metadata: object, spec: object = {}, ofNamespace: Record<string, string> = {}) =>
  warningsAbout(
    parsePod({ metadata, spec: { containers: [], ...spec } }),
    { labels: {}, annotations: ofNamespace },
    settings(),
  );

test.each<[string, object, object, Record<string, string>]>([
  [
    'nothing of ours',
    { annotations: { 'example.com/skip-outbound-port': '1' }, labels: { app: 'a' } },
    {},
    {},
  ],
  [
    'names that are known',
    { annotations: { 'weft.dev/skip-outbound-ports': '25' }, labels: { 'weft.dev/inject': 'enabled' } },
    {},
    { 'weft.dev/proxy-cpu-limit': '1' },
  ],
  ['name servers of the cluster', {}, { dnsPolicy: 'ClusterFirstWithHostNet' }, {}],
])('%s: no warning', (_what, metadata, spec, ofNamespace) => {
  expect(warned(metadata, spec, ofNamespace)).toEqual([]);
});

test.each<[object, string]>([
  [
    { annotations: { 'weft.dev/skip-outbound-port': '25' } },
    'unknown annotation weft.dev/skip-outbound-port; did you mean weft.dev/skip-outbound-ports?',
  ],
  [
    { annotations: { 'weft.dev/inject': 'disabled' } },
    'weft.dev/inject has no effect as an annotation; write it as a label: weft.dev/inject=disabled',
  ],
  [
    { labels: { 'weft.dev/proxy-cpu-limit': '1' } },
    'weft.dev/proxy-cpu-limit has no effect as a label; write it as an annotation: weft.dev/proxy-cpu-limit=1',
  ],
  [
    { labels: { 'weft.dev/injet': 'enabled' } },
    'unknown label weft.dev/injet; did you mean weft.dev/inject?',
  ],
  [
    { labels: { 'weft.dev/colour': 'red' } },
    'unknown label weft.dev/colour; known are weft.dev/inject, weft.dev/rev, weft.dev/default-access, weft.dev/outbound-policy',
  ],
])('%j is warned about', (metadata, warning) => {
  expect(warned(metadata)).toEqual([warning]);
});

test('name servers that may not know the control plane are warned about', () => {
  const spec = { dnsPolicy: 'None', dnsConfig: { nameservers: ['9.9.9.9'] } };
  expect(warned({}, spec)).toEqual([
    expect.stringContaining('by the name weft-default.weft-system.svc.cluster.local, which the pod'),
  ]);
});

test('an annotation of the namespace that cannot be meant is warned about', () => {
  expect(warned({}, {}, { 'weft.dev/proxy-cpu-limit': 'lots' })).toEqual([
    expect.stringMatching(/^the namespace's annotation weft.dev\/proxy-cpu-limit: "lots"/),
  ]);
});
