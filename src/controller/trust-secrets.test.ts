import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createLogger, systemClock, watched, type Clock } from '../base/index.js';
import { createIssuer, createRoot, parseIssuer, type IssuerMaterial } from '../identity/index.js';
import { connectPlain, type KubeClient } from '../kube/index.js';
import { ApiServer } from '../testing/index.js';
import { ensureTrustSecrets } from './trust-secrets.js';
import { ensureWebhookCa } from './webhook-ca.js';

const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const DAY = 86_400_000;
const log = createLogger({ level: 'silent' });
const never = new AbortController().signal;

let server: ApiServer;
let client: KubeClient;

beforeEach(async () => {
  server = await ApiServer.start();
  client = connectPlain(server.url);
});

afterEach(async () => {
  client.close();
  await server.stop();
});

async function ensure(clock: Clock = systemClock): Promise<void> {
  await ensureTrustSecrets(
    { client, systemNamespace: 'weft-system', trustDomain: 'cluster.local', log, clock },
    never,
  );
}

function secret(name: string): Record<string, string> {
  const stored = server.get('/api/v1/secrets', { namespace: 'weft-system', name });
  const data = Object.entries((stored?.data ?? {}) as Record<string, string>);
  return Object.fromEntries(data.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
}

const inDays = (days: number): Clock => ({ now: () => Date.now() + days * DAY, monotonic: () => 0 });
const pem = (text: string | undefined): X509Certificate => new X509Certificate(text ?? '');

test('the issuer is signed by the root, can issue, and doing it again changes nothing', async () => {
  await ensure();
  const [root, issuer] = [secret('weft-root'), secret('weft-issuer')];
  expect(pem(issuer['tls.crt']).verify(pem(root['tls.crt']).publicKey)).toBe(true);
  await expect(
    parseIssuer(
      { 'tls.crt': issuer['tls.crt']!, 'tls.key': issuer['tls.key']!, 'ca.crt': issuer['ca.crt']! },
      'the Secret',
    ),
  ).resolves.toBeDefined();
  await ensure();
  expect([secret('weft-root'), secret('weft-issuer')]).toEqual([root, issuer]);
});

test('two replicas that both believe to lead end with one root and one issuer', async () => {
  await Promise.all([ensure(), ensure()]);
  expect(pem(secret('weft-issuer')['tls.crt']).verify(pem(secret('weft-root')['tls.crt']).publicKey)).toBe(
    true,
  );
});

test('an issuer late in its life is renewed under the same root, and what it signed stays trusted', async () => {
  await ensure();
  const before = secret('weft-issuer');
  await ensure(inDays(300));
  const after = secret('weft-issuer');
  expect(after['tls.crt']).not.toBe(before['tls.crt']);
  expect(after['ca.crt']).toBe(before['ca.crt']);
});

test('an issuer that somebody brought, whose root is elsewhere, is left alone', async () => {
  const root = await createRoot('cluster.local', Date.now());
  const issuer = await createIssuer(root, 'cluster.local', Date.now());
  const data = { 'tls.crt': issuer.certificate, 'tls.key': issuer.privateKey, 'ca.crt': root.certificate };
  const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  server.put('/api/v1/secrets', {
    metadata: { name: 'weft-issuer', namespace: 'weft-system' },
    data: Object.fromEntries(encoded) as object,
  });
  await ensure(inDays(360));
  expect(secret('weft-issuer')).toEqual(data);
  expect(server.get('/api/v1/secrets', { namespace: 'weft-system', name: 'weft-root' })).toBeUndefined();
});

test('a caBundle that somebody changed is put right, and a right one is not written', async () => {
  const issuer = watched<IssuerMaterial | undefined>(undefined);
  const options = { client, revision: 'default', issuer, log };
  expect(await ensureWebhookCa(options, never)).toBe(false);
  await ensure();
  const { 'tls.crt': crt, 'tls.key': key, 'ca.crt': ca } = secret('weft-issuer');
  issuer.set(await parseIssuer({ 'tls.crt': crt!, 'tls.key': key!, 'ca.crt': ca! }, 'the Secret'));
  await expect(ensureWebhookCa(options, never)).rejects.toThrow(
    /weft-default is not there; install the chart again/,
  );
  const right = {
    name: 'a',
    clientConfig: { service: { name: 'weft-default' }, caBundle: Buffer.from(ca!).toString('base64') },
  };
  server.put(WEBHOOKS, {
    metadata: { name: 'weft-default' },
    webhooks: [right, { ...right, name: 'b', clientConfig: { caBundle: 'b3RoZXI=' } }],
  });
  expect(await ensureWebhookCa(options, never)).toBe(true);
  expect(server.get(WEBHOOKS, { name: 'weft-default' })?.webhooks).toEqual([
    right,
    { name: 'b', clientConfig: { caBundle: right.clientConfig.caBundle } },
  ]);
  expect(await ensureWebhookCa(options, never)).toBe(false);
});
