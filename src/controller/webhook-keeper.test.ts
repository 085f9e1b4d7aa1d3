import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Metrics, createLogger, watched, type Settable } from '../base/index.js';
import type { IssuerMaterial } from '../identity/index.js';
import {
  Resources,
  connectPlain,
  createQueueMetrics,
  type KubeClient,
  type WebhookConfiguration,
} from '../kube/index.js';
import { ApiServer, untilPasses, webhooksOfChart, type WebhookOfChart } from '../testing/index.js';
import { testCa } from '../testing/test-ca.js';
import { webhookDeviations, webhookEntries } from './webhook-entries.js';
import { WebhookKeeper } from './webhook-keeper.js';

const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const NAME = 'weft-default';
const OWNER = { revision: 'default', systemNamespace: 'weft-system' };

/** By the timer nothing would be seen in the time of a test: what is, a watch told. */
const NEVER_BY_TIMER = 3_600_000;

let server: ApiServer;
let client: KubeClient;
let abort: AbortController;
let issuer: Settable<IssuerMaterial | undefined>;
let metrics: Metrics;
let keeper: WebhookKeeper;
let running: Promise<void>;

beforeEach(async () => {
  server = await ApiServer.start();
  client = connectPlain(server.url);
  abort = new AbortController();
  issuer = watched<IssuerMaterial | undefined>((await testCa('cluster.local')).issuer);
  metrics = new Metrics();
  const log = createLogger({ level: 'silent' });
  const queueMetrics = createQueueMetrics(metrics);
  const timing = { everyMs: NEVER_BY_TIMER, tellAfterMs: 50 };
  keeper = new WebhookKeeper({ client, ...OWNER, issuer, log, metrics, queueMetrics, ...timing });
  running = Promise.resolve();
});

afterEach(async () => {
  abort.abort();
  await running;
  client.close();
  await server.stop();
});

function put(change: (webhook: WebhookOfChart) => object = (webhook) => webhook): void {
  server.put(WEBHOOKS, { metadata: { name: NAME }, webhooks: webhooksOfChart().map(change) });
}

function withCa(caBundle: string): (webhook: WebhookOfChart) => object {
  return (webhook) => ({ ...webhook, clientConfig: { ...webhook.clientConfig, caBundle } });
}

const caBundles = (): unknown[] =>
  (server.get(WEBHOOKS, { name: NAME })?.webhooks as WebhookOfChart[]).map(
    ({ clientConfig }) => clientConfig['caBundle'],
  );
const ours = (): string[] =>
  Array<string>(4).fill(Buffer.from(issuer.current?.roots ?? '').toString('base64'));
const told = (reason: string): unknown[] =>
  server
    .all('/api/v1/events')
    .filter((event) => event['reason'] === reason)
    .map((event) => event['message']);
const fault = async (kind: string): Promise<string | undefined> =>
  new RegExp(`weft_webhook_faults\\{kind="${kind}"\\} (\\d)`).exec(await metrics.text())?.[1];

function run(): void {
  running = keeper.run(abort.signal);
}

test.each([
  ['emptied', ''],
  ['overwritten', 'b3RoZXI='],
])('a caBundle that somebody has %s is ours again as soon as a watch tells', async (_what, caBundle) => {
  put();
  run();
  await untilPasses(() => expect(caBundles()).toEqual(ours()));
  put(withCa(caBundle));
  await untilPasses(() => expect(caBundles()).toEqual(ours()));
  await untilPasses(async () => expect(await metrics.text()).toMatch(/weft_webhook_repairs_total 2/));
  await untilPasses(() => expect(keeper.state.current).toBe('in-place'));
});

test('where somebody overwrites it without end there is a write in half a second, and no war', async () => {
  put();
  run();
  await untilPasses(() => expect(caBundles()).toEqual(ours()));
  const patches = (): number => server.requests.filter(({ method }) => method === 'PATCH').length;
  const before = patches();
  for (let round = 0; round < 50; round++) put(withCa(`${round}`));
  await untilPasses(() => expect(caBundles()).toEqual(ours()));
  expect(patches() - before).toBe(1);
});

test('somebody who does not stop is answered ever more slowly, and told', async () => {
  put();
  run();
  let rounds = 0;
  await untilPasses(() => {
    const held = caBundles();
    if (held[0] === ours()[0]) put(withCa(`${rounds++}`));
    expect(told('WebhookContested')).toHaveLength(1);
  });
  expect(String(told('WebhookContested')[0])).toContain('somebody keeps overwriting its caBundle');
  expect(await fault('contested')).toBe('1');
  expect(keeper.state.current).toBe('faulty');
  // It is put right all the same.
  await untilPasses(() => expect(caBundles()).toEqual(ours()));
});

test('another root of ours is in it as soon as there is one', async () => {
  put();
  run();
  await untilPasses(() => expect(caBundles()).toEqual(ours()));
  const before = ours();
  issuer.set((await testCa('cluster.local')).issuer);
  await untilPasses(() => expect(caBundles()).toEqual(ours()));
  expect(ours()).not.toEqual(before);
});

test('a configuration that is deleted is told, and trusted again when it is back', async () => {
  put();
  run();
  await untilPasses(() => expect(keeper.state.current).toBe('in-place'));
  server.remove(WEBHOOKS, { name: NAME });
  await untilPasses(() => expect(told('WebhookMissing')).toHaveLength(1));
  expect(told('WebhookMissing')).toEqual([
    'MutatingWebhookConfiguration weft-default does not exist, so pods are created without a proxy; install the chart again, with the values it had; weft check names pods of meshed namespaces that were created without a proxy until then',
  ]);
  expect(keeper.state.current).toBe('faulty');
  expect(await fault('missing')).toBe('1');
  put();
  await untilPasses(() => expect(caBundles()).toEqual(ours()));
  await untilPasses(() => expect(keeper.state.current).toBe('in-place'));
  expect(await fault('missing')).toBe('0');
});

test('selectors that somebody changed are told and not written, because that right would be one on every object', async () => {
  put();
  run();
  await untilPasses(() => expect(keeper.state.current).toBe('in-place'));
  const narrowed = { matchLabels: { tier: 'web' } };
  put((webhook) => ({ ...webhook, objectSelector: narrowed }));
  await untilPasses(() => expect(told('WebhookChanged')).toHaveLength(1));
  expect(String(told('WebhookChanged')[0])).toMatch(
    /objectSelector lacks weft.dev\/inject NotIn \[disabled\]; .*also demands tier In \[web\]/,
  );
  expect(keeper.state.current).toBe('faulty');
  expect(await fault('changed')).toBe('1');
  await untilPasses(() => expect(caBundles()).toEqual(ours()));
  const after = server.get(WEBHOOKS, { name: NAME })?.webhooks as WebhookOfChart[];
  expect(after.map((webhook) => webhook['objectSelector'])).toEqual(Array(4).fill(narrowed));
});

const FOREIGN = {
  name: 'guard.example.com',
  clientConfig: { url: 'https://guard.example.com', caBundle: 'b3RoZXI=' },
};

test('an entry that the chart does not have is told, and left as it is', async () => {
  server.put(WEBHOOKS, { metadata: { name: NAME }, webhooks: [FOREIGN, ...webhooksOfChart()] });
  run();
  await untilPasses(() => expect(caBundles()).toEqual([FOREIGN.clientConfig.caBundle, ...ours()]));
  await untilPasses(() => expect(told('WebhookChanged')).toHaveLength(1));
  expect(told('WebhookChanged')[0]).toContain('the chart has no entry guard.example.com; delete it');
  expect(keeper.state.current).toBe('faulty');
});

test('what is wrong is told also where the API server lets nothing be put right', async () => {
  put((webhook) => ({ ...webhook, failurePolicy: 'Ignore' }));
  server.beforeWrite = () => {
    if (server.requests.at(-1)?.path.startsWith(WEBHOOKS) === true) server.failNext(422);
  };
  run();
  await untilPasses(() => expect(told('WebhookChanged')).toHaveLength(1));
  expect(await fault('changed')).toBe('1');
});

test('an API server that fails is asked again soon', async () => {
  put();
  server.refusing.set(WEBHOOKS, 503);
  run();
  await untilPasses(() => expect(server.requests.length).toBeGreaterThan(1));
  server.refusing.delete(WEBHOOKS);
  await untilPasses(() => expect(caBundles()).toEqual(ours()));
});

test('while nobody can look the state is unknown, and no fault', async () => {
  put();
  const states: string[] = [];
  keeper.state.subscribe((state) => states.push(state));
  run();
  await untilPasses(() => expect(keeper.state.current).toBe('in-place'));
  server.refusing.set(WEBHOOKS, 503);
  issuer.set((await testCa('cluster.local')).issuer);
  await untilPasses(() => expect(keeper.state.current).toBe('unknown'));
  server.refusing.delete(WEBHOOKS);
  await untilPasses(() => expect(keeper.state.current).toBe('in-place'));
  expect(states).toEqual(['in-place', 'unknown', 'in-place']);
  expect([await fault('missing'), await fault('changed')]).toEqual(['0', '0']);
});

function keep(webhooks: readonly object[]): WebhookConfiguration {
  const raw = { metadata: { name: NAME }, webhooks };
  return Resources.webhookConfiguration.keep(raw);
}

test('the chart writes the entries that we compare with', () => {
  const kept = keep(webhooksOfChart());
  expect(webhookDeviations(kept, OWNER)).toEqual([]);
  expect(kept.webhooks.map(({ name }) => name)).toEqual(webhookEntries(OWNER).map(({ name }) => name));
  // Of another revision only the entries for namespaces that name it.
  expect(webhookEntries({ ...OWNER, revision: 'canary' }).map(({ name }) => name)).toEqual([
    'namespace.revision.inject.weft.dev',
    'pod.revision.inject.weft.dev',
  ]);
});

test.each<[string, Partial<WebhookOfChart>, RegExp]>([
  ['failurePolicy', { failurePolicy: 'Ignore' }, /failurePolicy is Ignore/],
  ['no rules', { rules: [] }, /rules do not name new pods/],
  [
    'rules about updates only',
    {
      rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['UPDATE'] }],
    },
    /rules do not name new pods.*rules also name UPDATE of pods/,
  ],
  [
    'wider rules',
    {
      rules: [
        { apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE', 'UPDATE'] },
      ],
    },
    /rules also name CREATE, UPDATE of pods/,
  ],
  [
    'rules about everything',
    { rules: [{ apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], operations: ['*'] }] },
    /rules also name \* of \*\/\* \*/,
  ],
  ['conditions', { matchConditions: [{ name: 'a', expression: 'false' }] }, /matchConditions leave pods out/],
  ['a URL', { clientConfig: { url: 'https://elsewhere' } }, /clientConfig asks no Service/],
  [
    'another Service',
    { clientConfig: { service: { namespace: 'x', name: 'y', path: '/inject' } } },
    /clientConfig asks Service x\/y, port 443, path \/inject/,
  ],
])('%s that the chart does not write are a deviation', (_what, change, says) => {
  const webhooks = webhooksOfChart().map((webhook, index) =>
    index === 0 ? { ...webhook, ...change } : webhook,
  );
  const deviations = webhookDeviations(keep(webhooks), OWNER);
  expect(new Set(deviations.map((deviation) => deviation.split(':')[0])).size).toBe(1);
  expect(deviations.join('; ')).toMatch(says);
});
