import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { createLogger, systemClock, watched, type Clock } from '../base/index.js';
import {
  issueCertificate,
  parseIssuer,
  type IssuerMaterial,
  type OwnCertificate,
} from '../identity/index.js';
import { connectPlain, type KubeClient } from '../kube/index.js';
import { ApiServer, type StoredObject } from '../testing/index.js';
import { shell } from '../testing/openssl.js';
import { ensureTrustSecrets } from './trust-secrets.js';

// Root and issuer are kept as docs/operations.md says, the control plane's namespace is lost, and they are put back before the control
// plane is: pods of before and after have to accept each other, over real mutual TLS.

const SECRETS = '/api/v1/secrets';
const SYSTEM = 'weft-system';
const TRUST_SECRETS = ['weft-root', 'weft-issuer'];
const log = createLogger({ level: 'silent' });
const never = new AbortController().signal;

let server: ApiServer;
let client: KubeClient;

beforeEach(async () => {
  await start();
  await lead();
});

afterEach(() => lose());

async function start(): Promise<void> {
  server = await ApiServer.start();
  client = connectPlain(server.url);
}

/** The API server with all that it holds. */
async function lose(): Promise<void> {
  client.close();
  await server.stop();
}

/** What a leader does about root and issuer, who remembers nothing of before. */
async function lead(clock: Clock = systemClock): Promise<void> {
  const issuer = watched<IssuerMaterial | undefined>(undefined);
  const options = { client, systemNamespace: SYSTEM, trustDomain: 'cluster.local', issuer, log, clock };
  await ensureTrustSecrets(options, never);
}

const inDays = (days: number): Clock => ({
  now: () => Date.now() + days * 86_400_000,
  monotonic: () => 0,
});

const stored = (name: string): StoredObject => server.get(SECRETS, { namespace: SYSTEM, name })!;

/** What `kubectl get secret ... --output yaml | sed ...` of the page leaves: the sed of the page itself does it. */
async function backup(): Promise<string> {
  const page = await readFile('docs/operations.md', 'utf8');
  const sed = /^ *\| (sed -E '.*') >weft-ca\.yaml/m.exec(page)?.[1] ?? 'false';
  const items = TRUST_SECRETS.map((name) => ({ apiVersion: 'v1', kind: 'Secret', ...stored(name) }));
  const list = stringify({ apiVersion: 'v1', items, kind: 'List' }, { indentSeq: false, lineWidth: 0 });
  const files = await shell(`cat >list.yaml <<'EOF'\n${list}EOF\n${sed} <list.yaml >weft-ca.yaml`, [
    'weft-ca.yaml',
  ]);
  return files['weft-ca.yaml'] ?? '';
}

/** `kubectl create`, which takes no object that says which version of it is there. */
function restore(text: string): void {
  const { items } = parse(text) as { items: StoredObject[] };
  expect(items.map(({ metadata }) => metadata.name)).toEqual(TRUST_SECRETS);
  for (const item of items) {
    expect(Object.keys(item.metadata)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(uid|resourceVersion|creationTimestamp)$/)]),
    );
    server.put(SECRETS, item);
  }
}

async function issuer(): Promise<IssuerMaterial> {
  const data = (stored('weft-issuer')['data'] ?? {}) as Record<string, string>;
  const text = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString();
  return parseIssuer(
    { 'tls.crt': text('tls.crt'), 'tls.key': text('tls.key'), 'ca.crt': text('ca.crt') },
    'the Secret',
  );
}

/** A pod that starts now: its certificate, and the roots that it was given. */
async function pod(serviceAccount: string): Promise<OwnCertificate> {
  const uri = `spiffe://cluster.local/ns/shop/sa/${serviceAccount}`;
  return issueCertificate(await issuer(), { uri }, Date.now());
}

/** The name that the callee has seen of the caller; an error where either refuses the other. */
async function call(caller: OwnCertificate, callee: OwnCertificate): Promise<string> {
  const of = ({ chain, privateKey, roots }: OwnCertificate): object => ({
    cert: chain,
    key: privateKey,
    ca: roots,
    minVersion: 'TLSv1.3',
  });
  const listener = createServer({ ...of(callee), requestCert: true, rejectUnauthorized: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.end(socket.getPeerX509Certificate()?.subjectAltName ?? '');
  });
  listener.on('tlsClientError', () => undefined);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  try {
    const { port } = listener.address() as AddressInfo;
    const socket = connect({ ...of(caller), port, host: '127.0.0.1', checkServerIdentity: () => undefined });
    const heard: Buffer[] = [];
    for await (const chunk of socket as AsyncIterable<Buffer>) heard.push(chunk);
    return Buffer.concat(heard).toString();
  } finally {
    listener.close();
  }
}

async function expectBothWays(old: OwnCertificate, young: OwnCertificate): Promise<void> {
  expect(await call(young, old)).toBe('URI:spiffe://cluster.local/ns/shop/sa/young');
  expect(await call(old, young)).toBe('URI:spiffe://cluster.local/ns/shop/sa/old');
}

test('with root and issuer restored, pods of before and after accept each other, and the leader leaves both as they are', async () => {
  const old = await pod('old');
  const kept = await backup();
  const before = TRUST_SECRETS.map((name) => stored(name)['data']);
  await lose();
  await start();
  restore(kept);
  await lead();
  expect(TRUST_SECRETS.map((name) => stored(name)['data'])).toEqual(before);
  await expectBothWays(old, await pod('young'));
});

test('without the backup they refuse each other', async () => {
  const old = await pod('old');
  await lose();
  await start();
  await lead();
  const young = await pod('young');
  await expect(call(young, old)).rejects.toThrow();
  await expect(call(old, young)).rejects.toThrow();
});

test('a backup of before the issuer was renewed serves as well: the root is the same', async () => {
  await lose();
  await start();
  await lead(inDays(-300));
  const kept = await backup();
  const first = await issuer();
  await lead();
  expect((await issuer()).chain).not.toBe(first.chain);
  const old = await pod('old');
  await lose();
  await start();
  restore(kept);
  expect((await issuer()).chain).toBe(first.chain);
  await expectBothWays(old, await pod('young'));
});

test('of a restored root the issuer is renewed when its time has come', async () => {
  const kept = await backup();
  await lose();
  await start();
  restore(kept);
  const before = await issuer();
  await lead(inDays(300));
  const after = await issuer();
  expect(after.chain).not.toBe(before.chain);
  expect(after.roots).toBe(before.roots);
});
