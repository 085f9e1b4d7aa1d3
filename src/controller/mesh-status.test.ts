import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { Metrics, createLogger } from '../base/index.js';
import { connectPlain, createQueueMetrics } from '../kube/index.js';
import { ApiServer } from '../testing/api-server.js';
import { untilPasses } from '../testing/until-passes.js';
import { createClusterView } from './cluster-view.js';
import { writeMeshStatuses } from './mesh-status.js';
import { SUPPORTED_FEATURES } from './supported-features.js';

const MESHES = '/apis/gateway.networking.x-k8s.io/v1alpha1/xmeshes';
const log = createLogger({ level: 'silent' });

let server: ApiServer;
let stop: AbortController;
let running: Promise<unknown>;

beforeEach(async () => {
  server = await ApiServer.start();
  stop = new AbortController();
  const client = connectPlain(server.url);
  const view = createClusterView({ client, systemNamespace: 'weft-system', log, metrics: new Metrics() });
  const queueMetrics = createQueueMetrics(new Metrics());
  running = Promise.all([
    view.meshes.run(stop.signal),
    writeMeshStatuses({ client, view, log, queueMetrics }, stop.signal),
  ]);
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
