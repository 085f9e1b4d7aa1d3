import 'reflect-metadata';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request, type RequestOptions } from 'node:https';
import { connect, type PeerCertificate } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import * as x509 from '@peculiar/x509';
import { Metrics, createLogger } from '../base/index.js';
import { reviewMetrics } from './review-metrics.js';
import { aReview, settings } from './inject/fixtures.js';
import {
  startWebhook,
  type CertificateSource,
  type RunningWebhook,
  type ServingCertificate,
} from './server.js';

const KEY = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

async function aCertificate(name: string): Promise<ServingCertificate> {
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: KEY,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'weft' }])],
  });
  const key = x509.PemConverter.encode(
    await crypto.subtle.exportKey('pkcs8', keys.privateKey),
    'PRIVATE KEY',
  );
  return { certPem: certificate.toString('pem'), keyPem: key };
}

class Source implements CertificateSource {
  readonly #listeners = new Set<(certificate: ServingCertificate) => void>();
  #current: ServingCertificate;

  constructor(first: ServingCertificate) {
    this.#current = first;
  }

  current(): ServingCertificate {
    return this.#current;
  }

  subscribe(listener: (certificate: ServingCertificate) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  renew(next: ServingCertificate): void {
    this.#current = next;
    for (const listener of this.#listeners) listener(next);
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}

const abort = { current: new AbortController() };
let source: Source;
let webhook: RunningWebhook;
let metrics: Metrics;
let first: ServingCertificate;

beforeEach(async () => {
  abort.current = new AbortController();
  first = await aCertificate('first');
  source = new Source(first);
  metrics = new Metrics();
  webhook = await startWebhook(
    {
      certificate: source,
      settings: () => settings(),
      namespaceOf: () => ({ labels: { 'weft.dev/inject': 'enabled' } }),
      log: createLogger({ level: 'silent' }),
      metrics: reviewMetrics(metrics),
      port: 0,
      host: '127.0.0.1',
    },
    abort.current.signal,
  );
});

afterEach(async () => {
  abort.current.abort();
  await webhook.closed;
});

interface Reply {
  readonly status: number | undefined;
  readonly review: {
    response: { uid: string; allowed: boolean; patch?: string; status?: { message: string } };
  };
}

async function post(body: string, options: RequestOptions = {}): Promise<Reply> {
  const call = request({
    host: '127.0.0.1',
    port: webhook.port,
    path: '/inject',
    method: 'POST',
    ca: source.current().certPem,
    servername: 'weft',
    agent: false,
    headers: { 'content-type': 'application/json' },
    ...options,
  });
  call.end(body);
  const [response] = await once(call, 'response');
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, review: JSON.parse(text) as Reply['review'] };
}

async function servedName(trusted = source.current()): Promise<string> {
  const socket = connect({
    host: '127.0.0.1',
    port: webhook.port,
    ca: trusted.certPem,
    servername: 'weft',
  });
  await once(socket, 'secureConnect');
  const peer: PeerCertificate = socket.getPeerCertificate();
  socket.destroy();
  return String(peer.subject.CN);
}

const pod = { metadata: {}, spec: { containers: [{ name: 'app' }] } };

test('a pod is reviewed over TLS 1.3, and counted', async () => {
  const { status, review } = await post(JSON.stringify(aReview(pod)), { minVersion: 'TLSv1.3' });
  expect(status).toBe(200);
  expect(review.response).toMatchObject({ uid: '6e1c1f37-9f5a-4a2e-8a4e-3f6f0f2a7a10', allowed: true });
  expect(review.response.patch).toBeDefined();
  expect(await metrics.text()).toContain('weft_admission_reviews_total{outcome="patched"} 1');
});

test('TLS 1.2 is refused', async () => {
  await expect(post(JSON.stringify(aReview(pod)), { maxVersion: 'TLSv1.2' })).rejects.toThrow(
    /protocol version/,
  );
});

/** Sends the head of a request and nothing else, and reads the answer. */
async function announce(length: string | undefined, path = '/inject'): Promise<[number | undefined, string]> {
  const call = request({
    host: '127.0.0.1',
    port: webhook.port,
    path,
    method: 'POST',
    ca: first.certPem,
    servername: 'weft',
    agent: false,
    headers: length === undefined ? { 'transfer-encoding': 'chunked' } : { 'content-length': length },
  });
  call.on('error', () => undefined);
  call.flushHeaders();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  call.destroy();
  return [response.statusCode, text];
}

test('a pod of 3 MB is read', async () => {
  const body = JSON.stringify(aReview({ ...pod, metadata: { annotations: { big: 'x'.repeat(3_000_000) } } }));
  expect((await post(body)).review.response.allowed).toBe(true);
});

test('a review that is too long, or does not say how long it is, is refused with a review before it is sent', async () => {
  const [status, text] = await announce('4000000');
  expect(status).toBe(413);
  expect((JSON.parse(text) as Reply['review']).response).toMatchObject({ uid: '', allowed: false });
  expect((await announce(undefined))[0]).toBe(411);
});

test('an address that sends more than any API server does is told to try again', async () => {
  const heads = Array.from({ length: 20 }, () => announce('3500000'));
  expect((await Promise.race(heads))[0]).toBe(429);
  await Promise.allSettled(heads);
});

/** Reviews of pods of 6 KB, over as many connections as API servers keep. */
async function flood(count: number, agent: Agent): Promise<void> {
  const body = JSON.stringify(aReview({ ...pod, metadata: { annotations: { big: 'x'.repeat(6_000) } } }));
  const replies = await Promise.all(Array.from({ length: count }, () => post(body, { agent })));
  expect(replies.filter(({ review }) => !review.response.allowed)).toEqual([]);
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

test('three thousand pods that are created at once are all answered, and none of them stays in memory', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 50 });
  await flood(300, agent);
  const before = heapUsed();
  await flood(3_000, agent);
  // Their bodies alone were 18 MB.
  expect(heapUsed() - before).toBeLessThan(9_000_000);
  expect(await metrics.text()).toContain('weft_admission_reviews_total{outcome="patched"} 3300');
  agent.destroy();
}, 60_000);

test('a path that serves no review answers without reading what comes', async () => {
  expect((await announce('3000000', '/'))[0]).toBe(404);
});

test('what is no JSON is answered with a review that says so', async () => {
  const { status, review } = await post('{"request":');
  expect(status).toBe(400);
  expect(review.response).toMatchObject({ uid: '', allowed: false });
  expect(review.response.status?.message).toMatch(/cannot be read/);
  expect(await metrics.text()).toContain('weft_admission_reviews_total{outcome="errored"} 1');
});

test('a review that is nested without end is refused before it is parsed', async () => {
  const { status, review } = await post(`${'['.repeat(500)}${']'.repeat(500)}`);
  expect(status).toBe(400);
  expect(review.response.status?.message).toMatch(/nested more than 100 levels deep/);
});

test('a body of a wrong content type is judged by what it is', async () => {
  const { review } = await post(JSON.stringify(aReview(pod)), { headers: { 'content-type': 'text/plain' } });
  expect(review.response.allowed).toBe(true);
});

test('a renewed certificate is served to the next connection', async () => {
  expect(await servedName()).toBe('first');
  source.renew(await aCertificate('second'));
  expect(await servedName()).toBe('second');
});

test('a certificate that does not fit its key leaves the last good one in place', async () => {
  source.renew({ certPem: (await aCertificate('other')).certPem, keyPem: first.keyPem });
  source.renew({ certPem: 'nothing', keyPem: 'nothing' });
  expect(await servedName(first)).toBe('first');
});

test('the signal closes the server and ends the subscription', async () => {
  abort.current.abort();
  await webhook.closed;
  expect(source.listeners).toBe(0);
  await expect(servedName()).rejects.toThrow(/ECONNREFUSED/);
});

test('a port that is taken fails the start, and nothing else of the process', async () => {
  const unheard: unknown[] = [];
  const hear = (reason: unknown): void => void unheard.push(reason);
  process.on('unhandledRejection', hear);
  const options = {
    certificate: source,
    settings: () => settings(),
    namespaceOf: () => undefined,
    log: createLogger({ level: 'silent' }),
    metrics: reviewMetrics(new Metrics()),
    port: webhook.port,
    host: '127.0.0.1',
  };
  await expect(startWebhook(options, abort.current.signal)).rejects.toThrow(/EADDRINUSE/);
  await new Promise(setImmediate);
  process.off('unhandledRejection', hear);
  expect(unheard).toEqual([]);
});
