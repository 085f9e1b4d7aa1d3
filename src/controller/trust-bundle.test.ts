import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Metrics, createLogger, watched, type Settable } from '../base/index.js';
import type { IssuerMaterial } from '../identity/index.js';
import { connectPlain, createQueueMetrics, type KubeClient } from '../kube/index.js';
import { ApiServer, untilPasses } from '../testing/index.js';
import { testCa } from '../testing/test-ca.js';
import { createClusterView } from './cluster-view.js';
import { publishTrustBundle } from './trust-bundle.js';

const BUNDLES = '/apis/certificates.k8s.io/v1/clustertrustbundles';
const GROUP = '/apis/certificates.k8s.io/';
const at = { name: 'weft.dev:workload:default' };
const log = createLogger({ level: 'silent' });

let server: ApiServer;
let client: KubeClient;
let stop: AbortController;
let running: Promise<unknown>;
let issuer: Settable<IssuerMaterial | undefined>;

beforeEach(async () => {
  server = await ApiServer.start();
  client = connectPlain(server.url);
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort();
  await running;
  client.close();
  await server.stop();
});

function publish(material: IssuerMaterial | undefined): void {
  const metrics = new Metrics();
  const options = { client, systemNamespace: 'weft-system', revision: 'default', log, metrics };
  const view = createClusterView({ ...options, timing: { absentMs: 20, backoffBaseMs: 10 } });
  issuer = watched(material);
  const queueMetrics = createQueueMetrics(metrics);
  running = Promise.all([
    view.clusterTrustBundles.run(stop.signal),
    view.podCertificateRequests.run(stop.signal),
    publishTrustBundle({ ...options, view, issuer, queueMetrics, lookMs: 20 }, stop.signal),
  ]);
}

test('holds our roots and what they become, and is put right where somebody changes or deletes it', async () => {
  publish(undefined);
  const [first, second] = [await testCa(), await testCa()];
  issuer.set(first.issuer);
  const holds = async (roots: string): Promise<void> =>
    untilPasses(() =>
      expect(server.get(BUNDLES, at)?.['spec']).toEqual({
        signerName: 'weft.dev/workload',
        trustBundle: roots,
      }),
    );
  await holds(first.roots);
  issuer.set({ ...first.issuer, roots: second.roots + first.roots });
  await holds(second.roots + first.roots);
  server.put(BUNDLES, { metadata: at, spec: { signerName: 'weft.dev/workload', trustBundle: first.roots } });
  await holds(second.roots + first.roots);
  server.remove(BUNDLES, at);
  await holds(second.roots + first.roots);
});

test('is not asked for where the cluster has no such objects, and is there once it has', async () => {
  server.absent.add(GROUP);
  for (const plural of ['clustertrustbundles', 'podcertificaterequests'])
    server.absent.add(GROUP + 'v1/' + plural);
  const { issuer: material, roots } = await testCa();
  publish(material);
  await untilPasses(() =>
    expect(server.requests.filter(({ path }) => path === BUNDLES).length).toBeGreaterThan(2),
  );
  expect(server.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
  server.absent.clear();
  await untilPasses(() => expect(server.get(BUNDLES, at)?.['spec']).toMatchObject({ trustBundle: roots }));
});
