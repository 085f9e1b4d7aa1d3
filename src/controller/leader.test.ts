import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Metrics, createLogger, sleep } from '../base/index.js';
import { connectPlain, type Condition, type KubeClient } from '../kube/index.js';
import { DEFAULT_SETTINGS } from '../model/index.js';
import { ApiServer, meshContainers, untilPasses } from '../testing/index.js';
import { OwnAcks, publishAcks, type AckSource } from './acks.js';
import { Peers } from './peers.js';
import { createClusterView, runClusterView, type ClusterView } from './cluster-view.js';
import { Collector } from './collector.js';
import { followIssuer } from './issuer.js';
import { leaderWork } from './leader.js';

const POLICIES = '/apis/weft.dev/v1alpha1/trafficpolicies';
const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const log = createLogger({ level: 'silent' });
const WRITE_EVERY_MS = 1_200;
const pod = { name: 'weft-default-1', uid: 'uid-weft-1' };

let server: ApiServer;
let client: KubeClient;
let view: ClusterView;
let own: OwnAcks;
let abort: AbortController;
let running: Promise<unknown>[];
let metrics: Metrics;

/** The acknowledgements that the config server of this replica would report. */
class Proxies implements AckSource {
  #summary: ReturnType<AckSource['acksOf']>;
  #listener: (uids: ReadonlySet<string>) => void = () => undefined;
  acksOf(): ReturnType<AckSource['acksOf']> {
    return this.#summary;
  }
  onAcks(listener: (uids: ReadonlySet<string>) => void): void {
    this.#listener = listener;
  }
  rejections(): ReturnType<AckSource['rejections']> {
    return [];
  }
  say(
    uid: string,
    counts: { generation: number; subscribers: number; acknowledged: number; rejected: number },
  ): void {
    const { generation, ...rest } = counts;
    const policy = {
      kind: 'TrafficPolicy',
      namespace: 'shop',
      name: 'reviews',
      uid,
      creationTimestamp: '',
      generation,
    } as const;
    this.#summary = { policy, ...rest, late: 0, outliers: [] };
    this.#listener(new Set([uid]));
  }
}

beforeEach(async () => {
  server = await ApiServer.start();
  server.put('/api/v1/namespaces', { metadata: { name: 'shop', labels: { 'weft.dev/inject': 'enabled' } } });
  server.put('/api/v1/namespaces', { metadata: { name: 'other' } });
  server.put('/api/v1/services', {
    metadata: { name: 'reviews', namespace: 'shop' },
    spec: { clusterIPs: ['10.96.0.1'], ports: [{ port: 80 }] },
  });
  server.put(WEBHOOKS, {
    metadata: { name: 'weft-default' },
    webhooks: [
      { name: 'namespace.inject.weft.dev', clientConfig: {} },
      { name: 'pod.inject.weft.dev', clientConfig: {} },
    ],
  });
  client = connectPlain(server.url);
  abort = new AbortController();
  metrics = new Metrics();
  view = createClusterView({ client, systemNamespace: 'weft-system', revision: 'default', log, metrics });
  const collector = new Collector({ view, installed: DEFAULT_SETTINGS, log });
  collector.attach();
  const issuer = followIssuer({ view, log }, abort.signal);
  own = new OwnAcks(0);
  const peers = new Peers({ view, pod, systemNamespace: 'weft-system', leavesMs: 0 });
  const settings = { revision: 'default', systemNamespace: 'weft-system', trustDomain: 'cluster.local' };
  const lead = leaderWork({ client, view, collector, issuer, own, peers, ...settings, log, metrics });
  running = [
    runClusterView(view, { client, log, restart: () => undefined }, abort.signal),
    lead(abort.signal),
  ];
});

afterEach(async () => {
  abort.abort();
  await Promise.all(running);
  client.close();
  await server.stop();
});

function secret(name: string): Record<string, string> {
  const stored = server.get('/api/v1/secrets', { namespace: 'weft-system', name });
  const data = Object.entries((stored?.data ?? {}) as Record<string, string>);
  return Object.fromEntries(data.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
}

function bundle(namespace: string): string | undefined {
  const map = server.get('/api/v1/configmaps', { namespace, name: 'weft-trust' });
  return (map?.data as Record<string, string> | undefined)?.['bundle.pem'];
}

function caBundles(): string[] {
  const { webhooks } = server.get(WEBHOOKS, { name: 'weft-default' }) as unknown as {
    webhooks: { clientConfig: { caBundle?: string } }[];
  };
  return webhooks.map(({ clientConfig }) => Buffer.from(clientConfig.caBundle ?? '', 'base64').toString());
}

function putPolicy(name: string, service: string, generation = 1): string {
  const spec = { targetRefs: [{ kind: 'Service', name: service }] };
  const stored = server.put(POLICIES, {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { name, namespace: 'shop', generation },
    spec,
  });
  return String(stored.metadata.uid);
}

function conditions(name: string): Record<string, string> {
  const status = server.get(POLICIES, { namespace: 'shop', name })?.status as
    { conditions?: Condition[] } | undefined;
  return Object.fromEntries(
    (status?.conditions ?? []).map(({ type, status: value, reason }) => [type, `${value} ${reason}`]),
  );
}

test('root, issuer, trust bundle and caBundle appear by themselves and agree', async () => {
  await untilPasses(() => {
    const roots = secret('weft-issuer')['ca.crt'];
    expect(roots).toMatch(/BEGIN CERTIFICATE/);
    expect(secret('weft-root')['tls.crt']).toBe(roots);
    expect(bundle('shop')).toBe(roots);
    expect(caBundles()).toEqual([roots, roots]);
  });
  expect(bundle('other')).toBeUndefined();
});

test('a namespace that joins, and one where a pod opts in, get the trust bundle', async () => {
  await untilPasses(() => expect(bundle('shop')).toBeDefined());
  server.put('/api/v1/namespaces', { metadata: { name: 'other', labels: { 'weft.dev/inject': 'enabled' } } });
  server.put('/api/v1/namespaces', { metadata: { name: 'third' } });
  const metadata = { name: 'p', namespace: 'third', labels: { 'weft.dev/inject': 'enabled' } };
  server.put('/api/v1/pods', { metadata, spec: { containers: [] } });
  await untilPasses(() => {
    expect(bundle('other')).toBe(bundle('shop'));
    expect(bundle('third')).toBe(bundle('shop'));
  });
});

test('a policy gets its conditions, and they follow the Services', async () => {
  putPolicy('lost', 'nowhere');
  await untilPasses(() =>
    expect(conditions('lost')).toEqual({
      Accepted: 'True Accepted',
      ResolvedRefs: 'False TargetNotFound',
      Programmed: 'True NoSubscribers',
    }),
  );
  server.put('/api/v1/services', {
    metadata: { name: 'nowhere', namespace: 'shop' },
    spec: { ports: [{ port: 80 }] },
  });
  await untilPasses(() => expect(conditions('lost').ResolvedRefs).toBe('True ResolvedRefs'));
});

test('an unsupported field is refused in the status, and the good policy beside it stays', async () => {
  putPolicy('good', 'reviews');
  server.put(POLICIES, {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { name: 'bad', namespace: 'shop' },
    spec: { targetRefs: [{ group: 'weft.dev', kind: 'ExternalService', name: 'reviews', port: 80 }] },
  });
  await untilPasses(() => {
    expect(conditions('bad')).toMatchObject({ Accepted: 'False Invalid', Programmed: 'False NotAccepted' });
    expect(conditions('good').Accepted).toBe('True Accepted');
  });
});

test('Programmed follows this replica and the others, by generation', async () => {
  const proxies = new Proxies();
  own.follow(proxies);
  const uid = putPolicy('reviews', 'reviews', 2);
  proxies.say(uid, { generation: 1, subscribers: 2, acknowledged: 2, rejected: 0 });
  await untilPasses(() => expect(conditions('reviews').Programmed).toBe('False Pending'));
  proxies.say(uid, { generation: 2, subscribers: 2, acknowledged: 2, rejected: 0 });
  await untilPasses(() => expect(conditions('reviews').Programmed).toBe('True Programmed'));
  // Another replica that serves reports a rejection; one whose pod has not been ready for long, or is gone, does not count.
  for (const [name, ready] of [
    ['weft-default-2', 'True'],
    ['weft-default-frozen', 'False'],
  ] as const) {
    server.put('/api/v1/pods', {
      metadata: { name, namespace: 'weft-system' },
      spec: { containers: [] },
      status: { conditions: [{ type: 'Ready', status: ready }] },
    });
  }
  const outliers = [{ pod: 'shop/web-2', reason: 'UnknownFeature' }];
  for (const [replica, rejected] of [
    ['weft-default-2', 6],
    ['weft-default-frozen', 8],
    ['weft-default-gone', 8],
  ] as const) {
    const acks = { generation: 2, subscribers: 8, acknowledged: 8 - rejected, rejected, late: 0, outliers };
    const rejections = [{ ...outliers[0], uid: 'uid-web-2', resource: 'Workload' }];
    const report = { policies: { [uid]: acks }, rejections };
    server.put('/api/v1/configmaps', {
      metadata: {
        name: `weft-acks-${replica}`,
        namespace: 'weft-system',
        labels: { 'weft.dev/acks': 'default' },
      },
      data: { 'acks.json': JSON.stringify(report) },
    });
  }
  await untilPasses(() => expect(conditions('reviews').Programmed).toBe('False Rejected'));
  const status = server.get(POLICIES, { namespace: 'shop', name: 'reviews' })?.status as {
    conditions: Condition[];
  };
  expect(status.conditions[2]?.message).toBe('rejected by 6 of 10: shop/web-2 (UnknownFeature), ...');
  await untilPasses(() => {
    const event = server.all('/api/v1/events').find(({ reason }) => reason === 'ConfigurationRejected');
    expect(event?.involvedObject).toMatchObject({ kind: 'Pod', namespace: 'shop', name: 'web-2' });
    expect(event?.message).toMatch(/^the proxy rejected Workload \(UnknownFeature\)/);
  });
});

test('a status that is true already is not written again', async () => {
  putPolicy('reviews', 'reviews');
  await untilPasses(() => expect(conditions('reviews').Programmed).toBe('True NoSubscribers'));
  const writes = (): number => server.requests.filter(({ path }) => path.endsWith('/status')).length;
  const before = writes();
  server.put('/api/v1/services', { metadata: { name: 'unrelated', namespace: 'shop' }, spec: {} });
  putPolicy('second', 'unrelated');
  await untilPasses(() => expect(conditions('second').Accepted).toBe('True Accepted'));
  await sleep(200);
  expect(writes()).toBe(before + 1);
});

test('pods without a proxy, and what nobody reads of a pod, are told on their owner, once for all of them', async () => {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'rs-1', controller: true };
  for (const name of ['web-1', 'web-2']) {
    const metadata = {
      name,
      namespace: 'shop',
      ownerReferences: [owner],
      annotations: { 'weft.dev/injection': 'skipped: HostNetwork: why' },
    };
    server.put('/api/v1/pods', { metadata, spec: { containers: [{ name: 'app' }] } });
  }
  server.put('/api/v1/pods', {
    metadata: { name: 'old', namespace: 'shop' },
    spec: { containers: [{ name: 'app' }] },
  });
  server.put('/api/v1/pods', {
    metadata: { name: 'out', namespace: 'shop', labels: { 'weft.dev/inject': 'disabled' } },
    spec: { containers: [] },
  });
  server.put('/api/v1/pods', {
    metadata: { name: 'in', namespace: 'shop', annotations: { 'weft.dev/opaque-port': '80' } },
    spec: { containers: [], initContainers: Object.values(meshContainers()) },
  });
  server.put('/api/v1/pods', {
    metadata: { name: 'pretends', namespace: 'shop', annotations: { 'weft.dev/injection': 'injected' } },
    spec: { containers: [{ name: 'weft-proxy', command: ['sleep'] }] },
  });
  for (const [name, dnsPolicy, phase] of [
    ['lost', 'None', 'Pending'],
    ['found', 'None', 'Running'],
    ['usual', 'ClusterFirst', 'Pending'],
  ] as const) {
    server.put('/api/v1/pods', {
      metadata: { name, namespace: 'shop', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: {
        dnsPolicy,
        containers: [],
        initContainers: Object.values(meshContainers()),
      },
      status: { phase, podIPs: [{ ip: '10.0.0.9' }] },
    });
  }
  await untilPasses(() => {
    const events = server.all('/api/v1/events').map((event) => {
      const { kind, name } = event.involvedObject as { kind: string; name: string };
      return `${kind}/${name} ${String(event.reason)} ${String(event.message).slice(0, 60)}`;
    });
    expect(events.sort()).toEqual([
      'Pod/in UnknownAnnotation unknown annotation weft.dev/opaque-port; did you mean weft.d',
      'Pod/lost ControlPlaneName the pod has not started, probably because its proxy does not',
      'Pod/old InjectionMissing the pod should have a proxy and has none, because it is olde',
      'Pod/pretends InjectionForged the pod has a container weft-proxy that is not the proxy tha',
      'ReplicaSet/web InjectionSkipped no proxy was added to the pod, skipped: HostNetwork: why',
    ]);
  });
});

test('a Service of a meshed namespace whose protocol nobody knows is told so, by port', async () => {
  server.put('/api/v1/namespaces', { metadata: { name: 'shop', labels: { 'weft.dev/inject': 'enabled' } } });
  server.put('/api/v1/namespaces', { metadata: { name: 'elsewhere' } });
  for (const namespace of ['shop', 'elsewhere']) {
    const ports = [
      { name: 'own', port: 7000, appProtocol: 'example.org/own' },
      { name: 'web', port: 80, appProtocol: 'http' },
    ];
    server.put('/api/v1/services', { metadata: { name: 'ledger', namespace }, spec: { ports } });
  }
  await untilPasses(() => {
    const events = server.all('/api/v1/events').map((event) => {
      const { kind, namespace, name } = event.involvedObject as Record<string, string>;
      return `${kind} ${namespace}/${name} ${String(event.reason)} ${String(event.message).slice(0, 60)}`;
    });
    expect(events).toEqual([
      'Service shop/ledger UnknownAppProtocol port 7000: the mesh does not know appProtocol "example.org/o',
    ]);
  });
});

test('a replica reports its acknowledgements in a ConfigMap that its pod owns, and not more often than allowed', async () => {
  const proxies = new Proxies();
  own.follow(proxies);
  running.push(
    publishAcks(
      { client, systemNamespace: 'weft-system', revision: 'default', pod, own, log, everyMs: 100 },
      abort.signal,
    ),
  );
  for (let i = 1; i <= 20; i++) {
    proxies.say('uid-1', { generation: 1, subscribers: 20, acknowledged: i, rejected: 0 });
    await sleep(5);
  }
  const stored = (): Record<string, unknown> => {
    const map = server.get('/api/v1/configmaps', {
      namespace: 'weft-system',
      name: 'weft-acks-weft-default-1',
    });
    expect(map?.metadata.ownerReferences).toEqual([
      { apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: pod.uid },
    ]);
    return JSON.parse((map?.data as Record<string, string>)['acks.json'] ?? '{}') as Record<string, unknown>;
  };
  await untilPasses(() =>
    expect(stored()).toMatchObject({
      policies: { 'uid-1': { generation: 1, subscribers: 20, acknowledged: 20, rejected: 0 } },
    }),
  );
  expect(server.requests.filter(({ path }) => path.includes('weft-acks-')).length).toBeLessThanOrEqual(4);
});

test('a container that restarts in its pod withdraws the report of its former life', async () => {
  server.put('/api/v1/configmaps', {
    metadata: {
      name: 'weft-acks-weft-default-1',
      namespace: 'weft-system',
      labels: { 'weft.dev/acks': 'default' },
    },
    data: { 'acks.json': '{"policies":{"uid-1":{"generation":1,"subscribers":2500}},"rejections":[]}' },
  });
  running.push(
    publishAcks(
      { client, systemNamespace: 'weft-system', revision: 'default', pod, own, log, everyMs: 10 },
      abort.signal,
    ),
  );
  await untilPasses(() => {
    const map = server.get('/api/v1/configmaps', {
      namespace: 'weft-system',
      name: 'weft-acks-weft-default-1',
    });
    expect(map?.data).toEqual({ 'acks.json': '{"policies":{},"rejections":[],"settled":true}' });
  });
});

test('a thousand callers of a policy that come and go cost few writes of its status', async () => {
  const proxies = new Proxies();
  own.follow(proxies);
  const uid = putPolicy('reviews', 'reviews');
  await untilPasses(() => expect(conditions('reviews').Programmed).toBe('True NoSubscribers'));
  const writes = (): number => server.requests.filter(({ path }) => path.endsWith('/status')).length;
  const before = writes();
  for (let i = 1; i <= 1_000; i++) {
    const subscribers = 1 + (i % 50);
    proxies.say(uid, { generation: 1, subscribers, acknowledged: subscribers - (i % 2), rejected: 0 });
    if (i % 10 === 0) await sleep(5);
  }
  proxies.say(uid, { generation: 1, subscribers: 3, acknowledged: 3, rejected: 0 });
  await untilPasses(() => expect(conditions('reviews').Programmed).toBe('True Programmed'));
  expect(writes() - before).toBeLessThanOrEqual(4);
});

test('what changes no verdict is judged for nobody: endpoints, pods, and what is written into the status of a Service', async () => {
  for (let i = 0; i < 20; i++) putPolicy(`policy-${i}`, 'reviews');
  await untilPasses(() => {
    for (let i = 0; i < 20; i++) expect(conditions(`policy-${i}`).Programmed).toBeDefined();
  });
  const looks = async (): Promise<number> => {
    const line = /weft_queue_reconciles_total{queue="policy-status",result="ok"} (\d+)/;
    return Number(line.exec(await metrics.text())?.[1] ?? 0);
  };
  // What we wrote comes back, and is looked at once more.
  let before = -1;
  await untilPasses(async () => {
    const [last, now] = [before, await looks()];
    before = now;
    await sleep(WRITE_EVERY_MS);
    expect(now).toBe(last);
  });
  const slice = {
    metadata: { name: 's', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'reviews' } },
  };
  const spec = { clusterIPs: ['10.96.0.1'], ports: [{ port: 80 }] };
  for (let i = 0; i < 5; i++) {
    const status = { loadBalancer: { ingress: [{ ip: `192.0.2.${i}` }] } };
    server.put('/api/v1/services', { metadata: { name: 'reviews', namespace: 'shop' }, spec, status });
    const endpoints = [{ addresses: [`10.0.0.${i}`] }];
    server.put('/apis/discovery.k8s.io/v1/endpointslices', { ...slice, addressType: 'IPv4', endpoints });
    await sleep(50);
  }
  server.put('/api/v1/services', { metadata: { name: 'next', namespace: 'shop' }, spec: { ports: [] } });
  putPolicy('last', 'next');
  await untilPasses(() => expect(conditions('last').Programmed).toBeDefined());
  expect((await looks()) - before).toBeLessThanOrEqual(3);
}, 20_000);

test('a new policy is not called programmed before the other replicas had time to report', async () => {
  server.put('/api/v1/pods', {
    metadata: { name: 'weft-default-2', namespace: 'weft-system' },
    spec: { containers: [] },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  });
  const report = (policies: object): void =>
    void server.put('/api/v1/configmaps', {
      metadata: {
        name: 'weft-acks-weft-default-2',
        namespace: 'weft-system',
        labels: { 'weft.dev/acks': 'default' },
      },
      data: { 'acks.json': JSON.stringify({ policies, rejections: [] }) },
    });
  report({});
  await untilPasses(() => expect([...view.acks.store.values()]).toHaveLength(1));
  const uid = putPolicy('reviews', 'reviews');
  const seen = new Set<string>();
  const stop = view.policies.store.onChange(() => seen.add(String(conditions('reviews').Programmed)));
  await untilPasses(() => expect(conditions('reviews').Programmed).toBe('False Pending'));
  report({ [uid]: { generation: 1, subscribers: 4, acknowledged: 4, rejected: 0, late: 0, outliers: [] } });
  await untilPasses(() => expect(conditions('reviews').Programmed).toBe('True Programmed'));
  stop();
  expect(seen).not.toContain('True NoSubscribers');
}, 10_000);
