import { expect, test } from '@jest/globals';
import jsonPatch from 'fast-json-patch';
import { createLogger } from '../../base/index.js';
import { answerReview } from '../review.js';
import { aReview, settings } from './fixtures.js';
import { injectionHandler, type InjectionOptions } from './handler.js';

interface PatchedPod {
  metadata: { annotations?: Record<string, string> };
  spec: {
    containers: {
      name: string;
      readinessProbe?: object;
      lifecycle?: { postStart: { httpGet: { path: string } } };
    }[];
    initContainers?: { name: string; env?: { name: string; value?: string }[] }[];
  };
}

function handlerWith(over: Partial<InjectionOptions> = {}): { skipped: string[]; review: typeof review } {
  const skipped: string[] = [];
  const handler = injectionHandler({
    settings: () => settings(),
    namespaceOf: () => ({ labels: { 'weft.dev/inject': 'enabled' } }),
    log: createLogger({ level: 'silent' }),
    skipped: (code) => void skipped.push(code),
    ...over,
  });
  async function review(object: object, request: object = {}) {
    const { response } = (await answerReview(aReview(object, request), handler, 4_000)).review;
    const operations = JSON.parse(
      Buffer.from(response.patch ?? 'W10=', 'base64').toString(),
    ) as jsonPatch.Operation[];
    const after = jsonPatch.applyPatch(object as PatchedPod, operations, true, false).newDocument;
    return { response, operations, after };
  }
  return { skipped, review };
}

const pod = { metadata: { name: 'a' }, spec: { containers: [{ name: 'app' }] } };
const probesOf = (patched: PatchedPod): unknown => {
  const proxy = patched.spec.initContainers?.find(({ name }) => name === 'weft-proxy');
  return JSON.parse(proxy?.env?.find(({ name }) => name === 'WEFT_PROBES')?.value ?? 'null');
};

test('a container that another webhook brings later gets its probes rewritten, and the proxy learns of them', async () => {
  const { review } = handlerWith();
  const first = await review({
    metadata: {},
    spec: { containers: [{ name: 'app', readinessProbe: { httpGet: { port: 80 } } }] },
  });
  const withAgent = structuredClone(first.after);
  withAgent.spec.containers.unshift({
    name: 'agent',
    readinessProbe: { tcpSocket: { port: 81 }, periodSeconds: 9 },
  });
  const second = await review(withAgent);
  expect(second.after.spec.containers[0]?.readinessProbe).toEqual({
    httpGet: { path: '/probe/agent/readiness', port: 15120, scheme: 'HTTP' },
    periodSeconds: 9,
  });
  expect(probesOf(second.after)).toEqual({
    'agent/readiness': { tcpSocket: { port: 81 }, timeoutSeconds: 1 },
    'app/readiness': { httpGet: { path: '/', port: 80, scheme: 'HTTP' }, timeoutSeconds: 1 },
  });
  expect(JSON.parse(second.after.metadata.annotations?.['weft.dev/original-probes'] ?? '')).toEqual({
    'agent/readiness': { tcpSocket: { port: 81 }, periodSeconds: 9 },
    'app/readiness': { httpGet: { port: 80 } },
  });
  expect((await review(second.after)).operations).toEqual([]);
});

test('a first probe in a later round reaches a proxy that had none', async () => {
  const { review } = handlerWith();
  const { after } = await review(pod);
  const later = structuredClone(after);
  later.spec.containers.push({ name: 'agent', readinessProbe: { grpc: { port: 81 } } });
  expect(probesOf((await review(later)).after)).toEqual({
    'agent/readiness': { grpc: { port: 81 }, timeoutSeconds: 1 },
  });
});

test('a hook over HTTP goes to the proxy under a name that nobody can guess, and stays there', async () => {
  const { review } = handlerWith();
  const hooked = (port: number) => ({ lifecycle: { postStart: { httpGet: { path: '/warm', port } } } });
  const object = { metadata: {}, spec: { containers: [{ name: 'app', ...hooked(80) }] } };
  const hookOf = (patched: PatchedPod, index = 0): string =>
    (patched.spec.containers[index]?.lifecycle?.postStart.httpGet.path ?? '').replace('/probe/', '');
  const [first, other] = [await review(object), await review(object)];
  const name = hookOf(first.after);
  expect(name).toMatch(/^app\/postStart\/[0-9a-f]{32}$/);
  expect(hookOf(other.after)).not.toBe(name);
  const target = { httpGet: { path: '/warm', port: 80, scheme: 'HTTP' }, timeoutSeconds: 3_600 };
  expect(probesOf(first.after)).toEqual({ [name]: target });
  expect((await review(first.after)).operations).toEqual([]);

  const later = structuredClone(first.after);
  later.spec.containers.push({ name: 'agent', ...hooked(81) });
  const { after } = await review(later);
  expect(probesOf(after)).toEqual({
    [name]: target,
    [hookOf(after, 1)]: { ...target, httpGet: { ...target.httpGet, port: 81 } },
  });
});

test('an original that somebody has spoiled is refused with the remedy', async () => {
  const { review } = handlerWith();
  const { after } = await review(pod);
  const spoiled = structuredClone(after);
  spoiled.metadata.annotations = { ...spoiled.metadata.annotations, 'weft.dev/original-probes': '{' };
  spoiled.spec.containers.push({ name: 'agent', readinessProbe: { grpc: { port: 81 } } });
  const { response } = await review(spoiled);
  expect(response.allowed).toBe(false);
  expect(response.status?.message).toMatch(/original-probes.*remove the annotation/);
});

test('a namespace whose label the informer has yet to see is waited for', async () => {
  let asked = 0;
  const namespaceOf: InjectionOptions['namespaceOf'] = () =>
    ++asked < 5 ? { labels: {} } : { labels: { 'weft.dev/inject': 'enabled' } };
  const { review, skipped } = handlerWith({ namespaceOf });
  expect((await review(pod)).after.metadata.annotations?.['weft.dev/injection']).toBe('injected');
  expect(skipped).toEqual([]);
});

test('a pod that is not ours is let through without a mark, and counted', async () => {
  const { review, skipped } = handlerWith({ namespaceOf: () => ({ labels: {} }) });
  expect((await review(pod)).response).toMatchObject({ allowed: true });
  expect((await review(pod)).operations).toEqual([]);
  expect(skipped).toEqual(['NotSelected', 'NotSelected']);
});

test('other operations and other kinds pass untouched', async () => {
  const { review } = handlerWith();
  expect((await review(pod, { operation: 'UPDATE' })).operations).toEqual([]);
  const services = { group: '', version: 'v1', resource: 'services' };
  expect((await review({}, { resource: services })).response).toMatchObject({ allowed: true });
});

test('an object that is no pod is an error, not a pod without a proxy', async () => {
  const { response } = await handlerWith().review({ metadata: {} });
  expect(response).toMatchObject({ allowed: false, status: { code: 400 } });
});

test('a misspelt annotation is a warning in the answer, and no refusal', async () => {
  const { review } = handlerWith();
  const misspelt = { ...pod, metadata: { name: 'a', annotations: { 'weft.dev/opaque-port': '80' } } };
  const { response } = await review(misspelt);
  expect(response).toMatchObject({
    allowed: true,
    warnings: [expect.stringContaining('weft.dev/opaque-ports?')],
  });
  expect((await review(pod)).response.warnings).toBeUndefined();
});

test('the namespace says what its proxies may use', async () => {
  const annotations = { 'weft.dev/proxy-cpu-limit': '500m', 'weft.dev/proxy-memory-limit': '1Gi' };
  const { review } = handlerWith({
    namespaceOf: () => ({ labels: { 'weft.dev/inject': 'enabled' }, annotations }),
  });
  // More than the chart's limit, and within the namespace's.
  const large = { ...pod, metadata: { annotations: { 'weft.dev/proxy-memory-request': '512Mi' } } };
  const { after } = await review(large);
  expect(after.spec.initContainers).toMatchObject([
    { name: 'weft-init', resources: { limits: { cpu: '500m', memory: '1Gi' } } },
    { name: 'weft-proxy', resources: { limits: { cpu: '500m', memory: '1Gi' } } },
  ]);
  expect((await review(after)).response).toMatchObject({ allowed: true });
});
