import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { ApiServer } from '../testing/api-server.js';
import { untilPasses } from '../testing/until-passes.js';
import { SUPPORTED_FEATURES } from './supported-features.js';
import { keepStatuses } from './statuses.fixture.js';

const MESHES = '/apis/gateway.networking.x-k8s.io/v1alpha1/xmeshes';

let server: ApiServer;
let stop: AbortController;
let running: Promise<unknown>;

beforeEach(async () => {
  server = await ApiServer.start();
  stop = new AbortController();
  ({ running } = keepStatuses(server, ['meshes'], stop.signal));
});

afterEach(async () => {
  stop.abort();
  await running;
  await server.stop();
});

function put(name: string, spec: object): void {
  server.put(MESHES, { metadata: { name }, spec });
}

const statusOf = (name: string) => server.get(MESHES, { name })?.['status'];

test('a mesh of ours says what we support, one of others is left alone', async () => {
  put('theirs', { controllerName: 'example.net/mesh' });
  put('weft', { controllerName: 'weft.dev/mesh-controller' });
  await untilPasses(() =>
    expect(statusOf('weft')).toMatchObject({
      conditions: [{ type: 'Accepted', status: 'True', reason: 'Accepted', observedGeneration: 1 }],
      supportedFeatures: SUPPORTED_FEATURES.map((name) => ({ name })),
    }),
  );
  expect(statusOf('theirs')).toBeUndefined();
});

test('parameters are refused', async () => {
  const parametersRef = { group: '', kind: 'ConfigMap', name: 'a', namespace: 'b' };
  put('weft', { controllerName: 'weft.dev/mesh-controller', parametersRef });
  await untilPasses(() =>
    expect(statusOf('weft')).toMatchObject({
      conditions: [{ type: 'Accepted', status: 'False', reason: 'InvalidParameters' }],
      supportedFeatures: [],
    }),
  );
});

test('what is said to be supported is what the conformance suite tests, in order', () => {
  const options = parse(readFileSync('e2e/conformance/options.yaml', 'utf8')) as {
    supportedFeatures: string[];
  };
  const core = ['GRPCRoute', 'HTTPRoute', 'Mesh'];
  expect(SUPPORTED_FEATURES).toEqual([...core, ...options.supportedFeatures].sort());
});
