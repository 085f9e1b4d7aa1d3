import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createLogger, systemClock, watched, type Clock } from '../base/index.js';
import { createIssuer, createRoot, parseIssuer, type IssuerMaterial } from '../identity/index.js';
import { Resources, connectPlain, getObject, type KubeClient } from '../kube/index.js';
import { ApiServer } from '../testing/index.js';
import { shell } from '../testing/openssl.js';
import { ensureTrustSecrets } from './trust-secrets.js';
import { setCaBundle } from './webhook-ca.js';

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

async function ensure(clock: Clock = systemClock, known?: IssuerMaterial): Promise<void> {
  const issuer = watched(known);
  await ensureTrustSecrets(
    { client, systemNamespace: 'weft-system', trustDomain: 'cluster.local', issuer, log, clock },
    never,
  );
}

function secret(name: string): Record<string, string> {
  const stored = server.get('/api/v1/secrets', { namespace: 'weft-system', name });
  const data = Object.entries((stored?.data ?? {}) as Record<string, string>);
  return Object.fromEntries(data.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
}

function putSecret(name: string, data: Record<string, string>): void {
  const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  server.put('/api/v1/secrets', {
    metadata: { name, namespace: 'weft-system' },
    data: Object.fromEntries(encoded) as object,
  });
}

/** Made by openssl, with a name of its own, for a year. */
async function corporateCa(): Promise<Record<string, string>> {
  const script = [
    'openssl ecparam -name prime256v1 -genkey -noout -out ca.key',
    'openssl req -x509 -new -key ca.key -days 365 -subj "/CN=Corporate CA" -out ca.crt -addext keyUsage=critical,keyCertSign',
    'openssl pkcs8 -topk8 -nocrypt -in ca.key -out ca.p8',
  ].join(' 2>/dev/null && ');
  const files = await shell(script, ['ca.crt', 'ca.p8']);
  return { 'tls.crt': files['ca.crt']!, 'tls.key': files['ca.p8']!, 'ca.crt': files['ca.crt']! };
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

test('a root near its end is replaced: first the new one is trusted beside it, and minutes later it signs', async () => {
  await ensure();
  const [oldRoot, before] = [secret('weft-root'), secret('weft-issuer')];
  const late = 3_652 - 364;
  // An issuer of before, so that nothing is to be renewed but the root.
  const renewed = await createIssuer(
    { certificate: oldRoot['tls.crt']!, privateKey: oldRoot['tls.key']! },
    'cluster.local',
    Date.now() + (late - 1) * DAY,
  );
  putSecret('weft-issuer', { ...before, 'tls.crt': renewed.certificate, 'tls.key': renewed.privateKey });
  await ensure(inDays(late));
  const [newRoot, announced] = [secret('weft-root'), secret('weft-issuer')];
  expect(newRoot['tls.crt']).not.toBe(oldRoot['tls.crt']);
  expect(announced['tls.crt']).toBe(renewed.certificate);
  expect(announced['ca.crt']).toBe(`${newRoot['tls.crt']!}${oldRoot['tls.crt']!}`);
  const minutes = 1 / 1_440;
  await ensure(inDays(late + 4 * minutes));
  expect(secret('weft-issuer')).toEqual(announced);
  await ensure(inDays(late + 6 * minutes));
  const after = secret('weft-issuer');
  expect(pem(after['tls.crt']).verify(pem(newRoot['tls.crt']).publicKey)).toBe(true);
  expect(after['ca.crt']).toBe(announced['ca.crt']);
});

test('where both Secrets are gone, what is trusted now stays trusted beside the new root', async () => {
  await ensure();
  const before = secret('weft-issuer');
  const known = await parseIssuer(
    { 'tls.crt': before['tls.crt']!, 'tls.key': before['tls.key']!, 'ca.crt': before['ca.crt']! },
    'the Secret',
  );
  for (const name of ['weft-root', 'weft-issuer'])
    server.remove('/api/v1/secrets', { namespace: 'weft-system', name });
  await ensure(systemClock, known);
  expect(secret('weft-issuer')['ca.crt']).toBe(`${secret('weft-root')['tls.crt']!}${before['ca.crt']!}`);
});

test('an issuer that somebody brought is never replaced, although we have a root', async () => {
  await ensure();
  const foreign = await corporateCa();
  putSecret('weft-issuer', foreign);
  for (const days of [300, 364, 400]) await ensure(inDays(days));
  expect(secret('weft-issuer')).toEqual(foreign);
});

test('an issuer that somebody brought, whose root is elsewhere, is left alone', async () => {
  const root = await createRoot('cluster.local', Date.now());
  const issuer = await createIssuer(root, 'cluster.local', Date.now());
  const data = { 'tls.crt': issuer.certificate, 'tls.key': issuer.privateKey, 'ca.crt': root.certificate };
  putSecret('weft-issuer', data);
  await ensure(inDays(360));
  expect(secret('weft-issuer')).toEqual(data);
  expect(server.get('/api/v1/secrets', { namespace: 'weft-system', name: 'weft-root' })).toBeUndefined();
});

test('a caBundle that somebody changed is put right, and a right one is not written', async () => {
  const issuer = watched<IssuerMaterial | undefined>(undefined);
  const look = async (): Promise<boolean> => {
    const found = await getObject(client, Resources.webhookConfiguration, { name: 'weft-default' });
    return setCaBundle({ client, revision: 'default', issuer, log }, found!);
  };
  await ensure();
  const { 'tls.crt': crt, 'tls.key': key, 'ca.crt': ca } = secret('weft-issuer');
  issuer.set(await parseIssuer({ 'tls.crt': crt!, 'tls.key': key!, 'ca.crt': ca! }, 'the Secret'));
  const right = {
    name: 'namespace.inject.weft.dev',
    clientConfig: { service: { name: 'weft-default' }, caBundle: Buffer.from(ca!).toString('base64') },
  };
  server.put(WEBHOOKS, {
    metadata: { name: 'weft-default' },
    webhooks: [right, { ...right, name: 'pod.inject.weft.dev', clientConfig: { caBundle: 'b3RoZXI=' } }],
  });
  expect(await look()).toBe(true);
  expect(server.get(WEBHOOKS, { name: 'weft-default' })?.webhooks).toEqual([
    right,
    { name: 'pod.inject.weft.dev', clientConfig: { caBundle: right.clientConfig.caBundle } },
  ]);
  expect(await look()).toBe(false);
});
