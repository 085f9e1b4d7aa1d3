import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createLogger, sleep, watched } from '../base/index.js';
import type { IssuerMaterial } from '../identity/index.js';
import { Resources, connectPlain, getObject, type KubeClient } from '../kube/index.js';
import { ApiServer, untilPasses } from '../testing/index.js';
import { testCa } from '../testing/test-ca.js';
import { setCaBundle, untilWebhookTrusted, type WebhookTrustOptions } from './webhook-ca.js';

const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';

let server: ApiServer;
let client: KubeClient;
let abort: AbortController;
let options: WebhookTrustOptions;

beforeEach(async () => {
  server = await ApiServer.start();
  client = connectPlain(server.url);
  abort = new AbortController();
  const { issuer } = await testCa('cluster.local');
  const log = createLogger({ level: 'silent' });
  options = {
    client,
    revision: 'default',
    issuer: watched<IssuerMaterial | undefined>(issuer),
    log,
    everyMs: 20,
  };
});

afterEach(async () => {
  abort.abort();
  client.close();
  await server.stop();
});

function putConfiguration(...caBundles: (string | undefined)[]): void {
  const webhooks = caBundles.map((caBundle, index) => ({
    name: `${['namespace', 'pod'][index]}.inject.weft.dev`,
    clientConfig: { caBundle },
  }));
  server.put(WEBHOOKS, { metadata: { name: 'weft-default' }, webhooks });
}

test('a replica waits until every entry of the webhook configuration trusts its roots', async () => {
  let trusted = false;
  const waiting = untilWebhookTrusted(options, abort.signal).then(() => (trusted = true));
  const looks = (): number => server.requests.filter(({ path }) => path.startsWith(WEBHOOKS)).length;
  await untilPasses(() => expect(looks()).toBeGreaterThan(2)); // not there
  const roots = Buffer.from(options.issuer.current?.roots ?? '').toString('base64');
  putConfiguration(roots, undefined);
  const before = looks();
  await untilPasses(() => expect(looks()).toBeGreaterThan(before + 2)); // one of two
  expect(trusted).toBe(false);
  const found = await getObject(client, Resources.webhookConfiguration, { name: 'weft-default' });
  await setCaBundle(options, found!);
  await waiting;
  expect(trusted).toBe(true);
});

test('a configuration that stays wrong holds a replica back for a limited time', async () => {
  putConfiguration('b3RoZXI=');
  const started = performance.now();
  await untilWebhookTrusted({ ...options, limitMs: 200 }, abort.signal);
  expect(performance.now() - started).toBeGreaterThanOrEqual(200);
});

test('waiting ends with the signal', async () => {
  const waiting = untilWebhookTrusted(options, abort.signal);
  await sleep(50);
  abort.abort();
  await waiting;
});
