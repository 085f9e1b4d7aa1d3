import { expect, test } from '@jest/globals';
import { decisionText, isNotOurs, reasonsNotToInject } from './decide.js';
import { settings } from './fixtures.js';
import { parsePod } from './pod.js';

const enabled = { labels: { 'weft.dev/inject': 'enabled' } };
const app = { name: 'app', image: 'app' };

function reasons(
  spec: object,
  options: { labels?: Record<string, string>; namespace?: Record<string, string> } = {},
) {
  const pod = parsePod({
    metadata: { ...(options.labels === undefined ? {} : { labels: options.labels }) },
    spec: { containers: [app], ...spec },
  });
  const namespace = options.namespace === undefined ? enabled : { labels: options.namespace };
  return reasonsNotToInject(pod, namespace, settings());
}

const codes = (...args: Parameters<typeof reasons>): string[] => reasons(...args).map(({ code }) => code);

test('nothing speaks against an ordinary pod of a labelled namespace', () => {
  expect(codes({})).toEqual([]);
  expect(decisionText([])).toBe('injected');
});

test.each([
  ['the host network', 'HostNetwork', { hostNetwork: true }],
  ['another operating system', 'NotLinux', { os: { name: 'windows' } }],
  ['the proxy of another mesh', 'AnotherMesh', { initContainers: [{ name: 'istio-proxy' }] }],
  ['a container of our name', 'NameTaken', { containers: [app, { name: 'weft-proxy' }] }],
  ['a volume of our name', 'NameTaken', { volumes: [{ name: 'weft-token' }] }],
  ['the proxy user', 'UserTaken', { containers: [{ ...app, securityContext: { runAsUser: 2112 } }] }],
  [
    'the proxy user in an init container',
    'UserTaken',
    { initContainers: [{ ...app, securityContext: { runAsUser: 2112 } }] },
  ],
  ['the proxy user for the whole pod', 'UserTaken', { securityContext: { runAsUser: 2112 } }],
  ['a port of the proxy', 'PortTaken', { containers: [{ ...app, ports: [{ containerPort: 15106 }] }] }],
])('a pod with %s stays without, and is told', (_what, code, spec) => {
  expect(codes(spec)).toEqual([code]);
  expect(isNotOurs(reasons(spec))).toBe(false);
  expect(decisionText(reasons(spec))).toMatch(new RegExp(`^skipped: ${code}: .+`));
});

test('a container that overrides the pod user may run', () => {
  const containers = [{ ...app, securityContext: { runAsUser: 1000 } }];
  expect(codes({ securityContext: { runAsUser: 2112 }, containers })).toEqual([]);
});

test('labels decide: the pod over the namespace, unless the namespace says no', () => {
  expect(codes({}, { namespace: {} })).toEqual(['NotSelected']);
  expect(codes({}, { namespace: {}, labels: { 'weft.dev/inject': 'enabled' } })).toEqual([]);
  expect(codes({}, { labels: { 'weft.dev/inject': 'disabled' } })).toEqual(['OptedOut']);
  const no = { 'weft.dev/inject': 'disabled' };
  expect(codes({}, { namespace: no, labels: { 'weft.dev/inject': 'enabled' } })).toEqual(['NotSelected']);
});

test('a namespace of another revision is not ours', () => {
  const namespace = { 'weft.dev/inject': 'enabled', 'weft.dev/rev': 'canary' };
  expect(codes({}, { namespace })).toEqual(['AnotherRevision']);
  expect(isNotOurs(reasons({}, { namespace }))).toBe(true);
  expect(codes({}, { namespace: { ...namespace, 'weft.dev/rev': 'default' } })).toEqual([]);
});

test('a namespace that the informer has not seen is trusted to the selectors', () => {
  expect(
    reasonsNotToInject(parsePod({ metadata: {}, spec: { containers: [app] } }), undefined, settings()),
  ).toEqual([]);
});
