import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Metrics, createLogger, sleep } from '../base/index.js';
import { connectPlain, type Condition } from '../kube/index.js';
import { DEFAULT_SETTINGS } from '../model/index.js';
import { ApiServer, untilPasses } from '../testing/index.js';
import { OwnAcks } from './acks.js';
import { Peers } from './peers.js';
import { createClusterView, runClusterView } from './cluster-view.js';
import { Collector } from './collector.js';
import { followIssuer } from './issuer.js';
import { leaderWork } from './leader.js';

const log = createLogger({ level: 'silent' });
const abort = new AbortController();
let server: ApiServer;
let running: Promise<unknown>[];

beforeEach(async () => {
  server = await ApiServer.start();
  running = [];
});

afterEach(async () => {
  abort.abort();
  await Promise.all(running);
  await server.stop();
});

/** The leader of a revision that is installed in a namespace of its own, so that it has roots of its own. */
function lead(revision: string, systemNamespace: string): void {
  const client = connectPlain(server.url);
  const settings = { revision, systemNamespace, trustDomain: 'cluster.local' };
  const metrics = new Metrics();
  server.put('/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', {
    metadata: { name: `weft-${revision}` },
    webhooks: [],
  });
  const view = createClusterView({ client, ...settings, log, metrics });
  const collector = new Collector({ view, installed: DEFAULT_SETTINGS, log });
  collector.attach();
  const issuer = followIssuer({ view, log }, abort.signal);
  const own = new OwnAcks(0);
  const work = leaderWork({
    client,
    view,
    collector,
    issuer,
    own,
    peers: new Peers({ view, pod: undefined, systemNamespace: settings.systemNamespace }),
    ...settings,
    log,
    metrics,
  });
  const ended = [
    runClusterView(view, { client, log, restart: () => undefined }, abort.signal),
    work(abort.signal),
  ];
  running.push(Promise.all(ended).finally(() => client.close()));
}

/** A namespace of a revision with a policy in it, which has no target, so that there is something to say. */
function namespace(name: string, labels: Readonly<Record<string, string>>): void {
  server.put('/api/v1/namespaces', {
    metadata: { name, labels: { 'weft.dev/inject': 'enabled', ...labels } },
  });
  server.put('/apis/weft.dev/v1alpha1/trafficpolicies', {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { name: 'p', namespace: name },
    spec: { targetRefs: [{ kind: 'Service', name: 'gone' }] },
  });
}

const conditionsOf = (name: string): readonly Condition[] => {
  const policy = server.get('/apis/weft.dev/v1alpha1/trafficpolicies', { namespace: name, name: 'p' });
  return (policy?.status as { conditions?: Condition[] } | undefined)?.conditions ?? [];
};

const dataOf = (collection: string, at: { namespace: string; name: string }): Record<string, string> =>
  (server.get(collection, at)?.data ?? {}) as Record<string, string>;

const bundle = (name: string): string | undefined =>
  dataOf('/api/v1/configmaps', { namespace: name, name: 'weft-trust' })['bundle.pem'];

const rootsOf = (systemNamespace: string): string =>
  Buffer.from(
    dataOf('/api/v1/secrets', { namespace: systemNamespace, name: 'weft-issuer' })['ca.crt'] ?? '',
    'base64',
  ).toString();

const writes = (): string[] =>
  server.requests.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${path}`);

test('two revisions side by side answer for their own namespaces, and are quiet once all is said', async () => {
  namespace('shop', {});
  namespace('lab', { 'weft.dev/rev': 'canary' });
  const config = { apiVersion: 'weft.dev/v1alpha1', kind: 'MeshConfig', spec: {} };
  server.put('/apis/weft.dev/v1alpha1/meshconfigs', { ...config, metadata: { name: 'default' } });
  lead('default', 'weft-system');
  lead('canary', 'weft-canary');
  await untilPasses(() => {
    expect(conditionsOf('shop')).toHaveLength(3);
    expect(conditionsOf('lab')).toHaveLength(3);
    expect(bundle('shop')).toMatch(/CERTIFICATE/);
    expect(bundle('lab')).toMatch(/CERTIFICATE/);
  }, 20_000);
  expect(bundle('shop')).toBe(rootsOf('weft-system'));
  expect(bundle('lab')).toBe(rootsOf('weft-canary'));
  expect(bundle('lab')).not.toBe(bundle('shop'));
  // Both see every write of the other. Nobody may answer it with one of his own.
  let count = -1;
  await untilPasses(async () => {
    count = writes().length;
    await sleep(700);
    expect(writes()).toHaveLength(count);
  }, 20_000);
  for (const name of ['shop', 'lab']) {
    const path = `/namespaces/${name}/trafficpolicies/p/status`;
    expect(writes().filter((write) => write.endsWith(path)).length).toBeLessThanOrEqual(2);
    expect(
      writes().filter((write) => write.endsWith(`/namespaces/${name}/configmaps/weft-trust`)),
    ).toHaveLength(1);
  }
}, 60_000);
