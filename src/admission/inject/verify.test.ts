import { expect, test } from '@jest/globals';
import jsonPatch from 'fast-json-patch';
import { createLogger } from '../../base/index.js';
import { answerReview, type AdmissionReview } from '../review.js';
import { aReview, settings } from './fixtures.js';
import { injectionHandler } from './handler.js';
import type { CaptureMode } from './settings.js';

interface Raw {
  metadata: { annotations?: Record<string, string> };
  spec: {
    initContainers: Record<string, unknown>[];
    volumes: Record<string, unknown>[];
    containers: object[];
  };
}

async function review(
  pod: object,
  capture: CaptureMode = 'InitContainer',
): Promise<AdmissionReview['response']> {
  const handler = injectionHandler({
    settings: () => settings({ capture }),
    namespaceOf: () => ({ labels: { 'weft.dev/inject': 'enabled' } }),
    log: createLogger({ level: 'silent' }),
    skipped: () => undefined,
  });
  return (await answerReview(aReview(pod), handler, 4_000)).review.response;
}

/** A pod as our webhook leaves it. */
async function injected(annotations: Record<string, string> = {}, capture?: CaptureMode): Promise<Raw> {
  const pod = { metadata: { annotations }, spec: { containers: [{ name: 'app' }] } };
  const { patch = '' } = await review(pod, capture);
  const operations = JSON.parse(Buffer.from(patch, 'base64').toString()) as jsonPatch.Operation[];
  return asServed(jsonPatch.applyPatch(pod as unknown as Raw, operations, true, false).newDocument);
}

/** What the API server makes of an object between two rounds of an admission: what is empty is left out. */
function asServed(pod: Raw): Raw {
  const text = JSON.stringify(pod, (_name, value: unknown) =>
    value === '' || (Array.isArray(value) && value.length === 0) ? undefined : value,
  );
  return JSON.parse(text) as Raw;
}

const container = (pod: Raw, name: string): Record<string, unknown> =>
  pod.spec.initContainers.find((one) => one['name'] === name)!;

test('what other webhooks and the API server add beside ours is fine', async () => {
  const pod = await injected({ 'weft.dev/skip-inbound-ports': '9000' });
  const proxy = container(pod, 'weft-proxy');
  (proxy['env'] as object[]).push({ name: 'NODE_NAME', value: 'x' });
  (proxy['volumeMounts'] as object[]).push({ name: 'kube-api-access', mountPath: '/var/run/secrets' });
  Object.assign(proxy['securityContext'] as object, { procMount: 'Default' });
  Object.assign(proxy, { terminationMessagePath: '/dev/termination-log' });
  pod.spec.containers.push({ name: 'agent' });
  expect((await review(pod)).allowed).toBe(true);
});

const FORGED: readonly (readonly [string, (pod: Raw) => void, RegExp])[] = [
  [
    'another image',
    (pod) => (container(pod, 'weft-proxy')['image'] = 'evil/proxy:1'),
    /image of container weft-proxy/,
  ],
  [
    'another program',
    (pod) => (container(pod, 'weft-proxy')['command'] = ['sleep']),
    /command of container weft-proxy/,
  ],
  [
    'an init container that captures less',
    (pod) => (container(pod, 'weft-init')['args'] = ['--skip-inbound-ports', '8080']),
    /args of container weft-init/,
  ],
  [
    'more rights',
    (pod) => Object.assign(container(pod, 'weft-init')['securityContext'] as object, { privileged: true }),
    /securityContext of container weft-init/,
  ],
  [
    'a control plane of its own',
    (pod) => {
      const env = container(pod, 'weft-proxy')['env'] as object[];
      env.push({ name: 'WEFT_CONTROL_PLANE_HOST', value: 'evil.shop.svc' });
    },
    /variable WEFT_CONTROL_PLANE_HOST/,
  ],
  [
    'a value from elsewhere for a variable that is empty',
    (pod) => {
      const env = container(pod, 'weft-proxy')['env'] as object[];
      env.push({ name: 'WEFT_OPAQUE_PORTS', valueFrom: { configMapKeyRef: { name: 'mine', key: 'ports' } } });
    },
    /variable WEFT_OPAQUE_PORTS/,
  ],
  [
    'other roots',
    (pod) => {
      const volume = pod.spec.volumes.find(({ name }) => name === 'weft-trust')!;
      volume['configMap'] = { name: 'mine', defaultMode: 0o444 };
    },
    /volume weft-trust/,
  ],
  ['no init container', (pod) => pod.spec.initContainers.shift(), /weft-init is missing/],
  [
    'an application that reads the token',
    (pod) =>
      pod.spec.containers.push({ name: 'spy', volumeMounts: [{ name: 'weft-token', mountPath: '/t' }] }),
    /container spy mounts the volume weft-token/,
  ],
];

test.each(FORGED)('a pod that says it is injected, with %s, is denied', async (_what, forge, message) => {
  const pod = await injected();
  forge(pod);
  const { allowed, status } = await review(pod);
  expect(allowed).toBe(false);
  expect(status?.message).toMatch(message);
});

const CAPTURE = 'weft.dev/capture';

test.each<[string, (pod: Raw) => void, RegExp]>([
  [
    'told to leave out more',
    (pod) => (pod.metadata.annotations![CAPTURE] = '{"skipInboundPorts":"8080"}'),
    /annotation weft\.dev\/capture is not what Weft writes/,
  ],
  [
    'not told at all',
    (pod) => (pod.metadata.annotations = { 'weft.dev/injection': 'injected' }),
    /annotation weft\.dev\/capture is not what Weft writes/,
  ],
  [
    'whose first container does not check',
    (pod) => (container(pod, 'weft-init')['args'] as string[]).pop(),
    /args of container weft-init/,
  ],
])('where the plugin of the node captures, a pod %s is denied', async (_what, forge, message) => {
  const pod = await injected({}, 'CNI');
  expect((await review(pod, 'CNI')).allowed).toBe(true);
  forge(pod);
  const { allowed, status } = await review(pod, 'CNI');
  expect([allowed, status?.message]).toEqual([false, expect.stringMatching(message)]);
});

test('more ports than the plugin reads are refused where it captures', async () => {
  const annotations = {
    'weft.dev/skip-outbound-ports': Array.from({ length: 900 }, (_, i) => 10_000 + i).join(),
  };
  const pod = { metadata: { annotations }, spec: { containers: [{ name: 'app' }] } };
  expect((await review(pod)).allowed).toBe(true);
  expect((await review(pod, 'CNI')).status?.message).toMatch(/more ports .* than the CNI plugin reads/);
});

test('a pod that says it is injected and only has a container of the name is denied', async () => {
  const metadata = { annotations: { 'weft.dev/injection': 'injected' } };
  const { allowed, status } = await review({ metadata, spec: { containers: [{ name: 'weft-proxy' }] } });
  expect(allowed).toBe(false);
  expect(status?.message).toMatch(
    /container weft-init is missing; remove the annotation weft.dev\/injection/,
  );
});

test.each(['weft-token', 'weft-state'])('an application that mounts %s is denied its pod', async (name) => {
  const app = { name: 'app', volumeMounts: [{ name, mountPath: '/x' }] };
  const { allowed, status } = await review({ metadata: {}, spec: { containers: [app] } });
  expect(allowed).toBe(false);
  expect(status?.message).toMatch(new RegExp(`container app mounts the volume ${name}`));
});
