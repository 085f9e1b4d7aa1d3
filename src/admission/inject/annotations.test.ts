import { expect, test } from '@jest/globals';
import { namespaceResources, readAnnotations } from './annotations.js';
import { parsePod } from './pod.js';

const defaults = { cpuRequest: '10m', memoryRequest: '16Mi', memoryLimit: '128Mi' };
const read = (annotations: Record<string, string>, ofNamespace: Record<string, string> = {}) =>
  readAnnotations(parsePod({ metadata: { annotations }, spec: { containers: [] } }), ofNamespace, defaults);

test('a pod without annotations gets the defaults', () => {
  expect(read({})).toEqual({
    skipInboundPorts: [],
    skipOutboundPorts: [],
    opaquePorts: [],
    workers: 1,
    resources: defaults,
  });
});

test('ports are sorted, each once, and empty means none', () => {
  expect(read({ 'weft.dev/skip-inbound-ports': ' 443,80 , 80' }).skipInboundPorts).toEqual([80, 443]);
  expect(read({ 'weft.dev/skip-outbound-ports': '' }).skipOutboundPorts).toEqual([]);
});

test('a quantity overrides its default alone', () => {
  const { resources } = read({ 'weft.dev/proxy-memory-limit': '1Gi', 'weft.dev/proxy-cpu-limit': '2' });
  expect(resources).toEqual({ ...defaults, memoryLimit: '1Gi', cpuLimit: '2' });
});

test('a namespace sets the resources of its proxies, and a pod overrides it', () => {
  const ofNamespace = { 'weft.dev/proxy-cpu-limit': '500m', 'weft.dev/proxy-memory-limit': '64Mi' };
  expect(read({}, ofNamespace).resources).toEqual({ ...defaults, cpuLimit: '500m', memoryLimit: '64Mi' });
  expect(read({ 'weft.dev/proxy-memory-limit': '1Gi' }, ofNamespace).resources).toEqual({
    ...defaults,
    cpuLimit: '500m',
    memoryLimit: '1Gi',
  });
});

test('what a namespace cannot mean counts for nothing, and refuses nobody', () => {
  const ofNamespace = { 'weft.dev/proxy-cpu-limit': 'lots', 'weft.dev/proxy-memory-limit': '1Gi' };
  expect(read({}, ofNamespace).resources).toEqual(defaults);
  expect(namespaceResources(ofNamespace, defaults).problems).toEqual([
    expect.stringMatching(/^the namespace's annotation weft.dev\/proxy-cpu-limit: "lots" is/),
  ]);
});

test.each([
  ['weft.dev/skip-inbound-ports', 'http', /"http" is not a valid port; give numbers from 1 to 65535/],
  ['weft.dev/skip-inbound-ports', '80,', /"" is not a valid port/],
  ['weft.dev/skip-outbound-ports', '0', /"0" is not a valid port/],
  ['weft.dev/skip-outbound-ports', '65536', /"65536" is not a valid port/],
  ['weft.dev/opaque-ports', '3306/tcp', /"3306\/tcp" is not a valid port/],
  ['weft.dev/access-log', 'on', /"on" is neither "enabled" nor "disabled"/],
  ['weft.dev/proxy-workers', '0', /"0" is not a valid number of threads; give one from 1 to 64/],
  ['weft.dev/proxy-workers', '1.5', /"1.5" is not a valid number of threads/],
  ['weft.dev/proxy-workers', '65', /"65" is not a valid number of threads/],
  ['weft.dev/ingress-mode', 'yes', /"yes" is neither "enabled" nor "disabled"/],
  ['weft.dev/weight', '0', /"0" is not a valid weight; give a number from 1 to 1000/],
  ['weft.dev/weight', '2.5', /"2.5" is not a valid weight/],
  ['weft.dev/proxy-cpu-request', 'lots', /"lots" is not a valid Kubernetes quantity; write it as in "100m"/],
  ['weft.dev/proxy-memory-limit', '', /"" is not a valid Kubernetes quantity/],
  [
    'weft.dev/proxy-memory-limit',
    '8Mi',
    /request of 16Mi above the limit of 8Mi; set weft.dev\/proxy-memory-request/,
  ],
  [
    'weft.dev/proxy-memory-request',
    '1Gi',
    /request of 1Gi above the limit of 128Mi; set weft.dev\/proxy-memory-limit/,
  ],
])('%s: %j is refused, naming annotation and remedy', (name, value, remedy) => {
  expect(() => read({ [name]: value })).toThrow(remedy);
  expect(() => read({ [name]: value })).toThrow(`annotation ${name}: `);
});
