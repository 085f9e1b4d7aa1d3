import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Metrics, createLogger } from '../base/index.js';
import { connectPlain, type KubeClient } from '../kube/index.js';
import { DEFAULT_SETTINGS } from '../model/index.js';
import { routeObject } from '../testing/gateway-routes.js';
import { ApiServer, untilPasses } from '../testing/index.js';
import {
  createClusterView,
  refusedKinds,
  runClusterView,
  unsettledKinds,
  viewSettled,
  type ClusterView,
} from './cluster-view.js';
import { Collector } from './collector.js';

const log = createLogger({ level: 'silent' });
const timing = { backoffBaseMs: 5, backoffCapMs: 20, patienceMs: 50 };
let server: ApiServer;
let client: KubeClient;
let abort: AbortController;

beforeEach(async () => {
  server = await ApiServer.start();
  client = connectPlain(server.url);
  abort = new AbortController();
});

afterEach(async () => {
  abort.abort();
  client.close();
  await server.stop();
});

const aView = (more: { absentMs?: number } = {}): ClusterView =>
  createClusterView({
    client,
    systemNamespace: 'weft-system',
    revision: 'default',
    log,
    metrics: new Metrics(),
    timing: { ...timing, ...more },
  });

test('kinds of others that are refused are a note, one of ours or of the core is waited for', async () => {
  server.refusing.set('/apis/gateway.networking.x-k8s.io/v1alpha1/xbackendtrafficpolicies', 500);
  server.refusing.set('/apis/weft.dev/v1alpha1/meshconfigs', 403);
  const view = aView();
  const restart = (): void => undefined;
  const running = runClusterView(view, { client, log, restart }, abort.signal);
  let settled = false;
  void viewSettled(view).then(() => (settled = true));
  await untilPasses(() =>
    expect(unsettledKinds(view)).toEqual(['MeshConfig (GET /apis/weft.dev/v1alpha1/meshconfigs: refused)']),
  );
  expect(settled).toBe(false);
  server.refusing.delete('/apis/weft.dev/v1alpha1/meshconfigs');
  await untilPasses(() => expect(settled).toBe(true));
  await untilPasses(() =>
    expect(refusedKinds(view)).toEqual([
      expect.stringMatching(/^XBackendTrafficPolicy: .*refused; 0 known objects stay in force$/),
    ]),
  );
  abort.abort();
  await running;
});

test('kinds of Gateway API come and go while the control plane runs, each by itself', async () => {
  const [http, tcp] = ['httproutes', 'tcproutes'].map(
    (plural) => `/apis/gateway.networking.k8s.io/v1/${plural}`,
  ) as [string, string];
  server.absent.add('/apis/gateway.networking.');
  server.absent.add(http).add(tcp);
  const view = aView({ absentMs: 10 });
  const collector = new Collector({ view, installed: DEFAULT_SETTINGS, log });
  collector.attach();
  const running = runClusterView(view, { client, log, restart: () => undefined }, abort.signal);
  await viewSettled(view);
  const backendRefs = [{ name: 'reviews', port: 8080 }];
  const acting = () => [...collector.mesh.routes.values()].map(({ ref }) => ref.kind).sort();
  server.put(http, routeObject('h', [{ backendRefs }]));
  server.put(tcp, routeObject('t', [{ backendRefs }], { kind: 'TCPRoute' }));
  expect(acting()).toEqual([]);
  server.absent.delete('/apis/gateway.networking.');
  server.absent.delete(http);
  await untilPasses(() => expect(acting()).toEqual(['HTTPRoute']));
  server.absent.delete(tcp);
  await untilPasses(() => expect(acting()).toEqual(['HTTPRoute', 'TCPRoute']));
  // The API server deletes the objects of a CRD before it forgets the kind.
  server.remove(tcp, { namespace: 'shop', name: 't' });
  await untilPasses(() => expect(acting()).toEqual(['HTTPRoute']));
  server.absent.add(tcp);
  server.cutWatches();
  server.put(tcp, routeObject('again', [{ backendRefs }], { kind: 'TCPRoute' }));
  server.absent.delete(tcp);
  await untilPasses(() => expect(acting()).toEqual(['HTTPRoute', 'TCPRoute']));
  abort.abort();
  await running;
});
