import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { Metrics, watched } from '../../base/index.js';
import { createListenerMetrics } from '../../base/listener/index.js';
import { issueCertificate } from '../../identity/index.js';
import { testCa, type TestCa } from '../../testing/test-ca.js';
import { untilPasses } from '../../testing/until-passes.js';
import { aReview, settings } from '../inject/fixtures.js';
import { reviewMetrics } from '../review-metrics.js';
import type { CertificateSource, ServingCertificate } from '../server.js';
import type { Namespace } from '../inject/index.js';
import { startWebhookThread, type WebhookThread, type WebhookThreadOptions } from './webhook-thread.js';

const MESHED: Namespace = { labels: { 'weft.dev/inject': 'enabled' } };
const POD = { metadata: {}, spec: { containers: [{ name: 'app' }] } };

let code: string;
let ca: TestCa;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-thread-'));
  const file = join(folder, 'thread.cjs');
  await promisify(execFile)(process.execPath, ['src/build-thread.mjs', file]);
  code = await readFile(file, 'utf8');
  await rm(folder, { recursive: true });
  ca = await testCa();
});

/** What the thread is told from outside. */
class World {
  readonly settings = watched(settings());
  readonly metrics = new Metrics();
  readonly failures: unknown[] = [];
  readonly #namespaces = new Set<(name: string, namespace: Namespace | undefined) => void>();
  readonly #certificates = new Set<(next: ServingCertificate) => void>();
  readonly #certificate: ServingCertificate;

  constructor(certificate: ServingCertificate) {
    this.#certificate = certificate;
  }

  namespace(name: string, namespace: Namespace | undefined): void {
    for (const tell of this.#namespaces) tell(name, namespace);
  }

  renew(next: ServingCertificate): void {
    for (const tell of this.#certificates) tell(next);
  }

  options(over: Partial<WebhookThreadOptions> = {}): WebhookThreadOptions {
    const certificate: CertificateSource = {
      current: () => this.#certificate,
      subscribe: (listener) => follow(this.#certificates, listener),
    };
    return {
      code,
      certificate,
      settings: this.settings,
      namespaces: {
        all: () => [['shop', MESHED]],
        subscribe: (listener) => follow(this.#namespaces, listener),
      },
      logLevel: 'silent',
      metrics: reviewMetrics(this.metrics),
      listeners: createListenerMetrics(this.metrics),
      failed: (thrown) => void this.failures.push(thrown),
      port: 0,
      host: '127.0.0.1',
      ...over,
    };
  }
}

function follow<T>(all: Set<T>, listener: T): () => void {
  all.add(listener);
  return () => void all.delete(listener);
}

async function aCertificate(): Promise<ServingCertificate> {
  const { chain, privateKey } = await issueCertificate(ca.issuer, { dns: ['weft'] }, Date.now());
  return { certPem: chain, keyPem: privateKey };
}

let world: World;
let webhook: WebhookThread;
let stop: AbortController;

beforeEach(async () => {
  stop = new AbortController();
  world = new World(await aCertificate());
  webhook = await startWebhookThread(world.options(), stop.signal);
});

afterEach(async () => {
  stop.abort();
  await webhook.closed;
});

afterAll(() => expect(world.failures).toEqual([]));

/** What is done to a pod of this namespace, as text; empty: nothing. */
async function patchFor(namespace: string): Promise<string> {
  const call = request({
    host: '127.0.0.1',
    port: webhook.port,
    path: '/inject',
    method: 'POST',
    ca: ca.roots,
    servername: 'weft',
    agent: false,
  });
  call.end(JSON.stringify(aReview(POD, { namespace })));
  const [response] = await once(call, 'response');
  let text = '';
  for await (const chunk of response) text += String(chunk);
  const { patch = '' } = (JSON.parse(text) as { response: { patch?: string } }).response;
  return Buffer.from(patch, 'base64').toString();
}

async function servedSerial(): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: webhook.port, ca: ca.roots, servername: 'weft' });
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

test('a namespace that leaves the mesh gets no proxies, and gets them again when it comes back', async () => {
  expect(await patchFor('shop')).toContain('weft-proxy');
  world.namespace('shop', { labels: {} });
  await untilPasses(async () => expect(await patchFor('shop')).not.toContain('weft-proxy'));
  world.namespace('shop', MESHED);
  await untilPasses(async () => expect(await patchFor('shop')).toContain('weft-proxy'));
});

test('of a namespace that nobody has told of, the selectors of the webhook are believed', async () => {
  world.namespace('shop', { labels: {} });
  await untilPasses(async () => expect(await patchFor('shop')).not.toContain('weft-proxy'));
  world.namespace('shop', undefined);
  await untilPasses(async () => expect(await patchFor('shop')).toContain('weft-proxy'));
});

test('pods are injected with the settings of now', async () => {
  world.settings.set(settings({ image: 'docker.io/weft/weft:next' }));
  await untilPasses(async () => expect(await patchFor('shop')).toContain('weft:next'));
});

test('new connections see the new certificate', async () => {
  const before = await servedSerial();
  world.renew(await aCertificate());
  await untilPasses(async () => expect(await servedSerial()).not.toBe(before));
});

test('what the thread counts ends up in the metrics of the process', async () => {
  await patchFor('shop');
  const idle = connect({ host: '127.0.0.1', port: webhook.port, ca: ca.roots, servername: 'weft' });
  await once(idle, 'secureConnect');
  await untilPasses(async () => {
    const text = await world.metrics.text();
    expect(text).toContain('weft_admission_reviews_total{outcome="patched"} 1');
    expect(text).toContain('weft_admission_duration_seconds_count 1');
    expect(text).toContain('weft_listener_connections{listener="webhook"} 1');
  });
  idle.destroy();
  expect(webhook.answers()).toBe(true);
});

test('a port that is taken fails the start', async () => {
  const other = new World(await aCertificate());
  const taken = startWebhookThread(other.options({ port: webhook.port }), stop.signal);
  await expect(taken).rejects.toThrow(/EADDRINUSE/);
});

test('a thread that falls is told, with what it fell over', async () => {
  const falling = `const { parentPort } = require('node:worker_threads');
    parentPort.postMessage({ kind: 'listening', port: 1 });
    parentPort.once('message', () => { throw new Error('fallen'); });`;
  const other = new World(await aCertificate());
  await startWebhookThread(other.options({ code: falling }), stop.signal);
  expect(other.failures).toEqual([]);
  other.settings.set(settings());
  await untilPasses(() => expect(String(other.failures[0])).toContain('fallen'));
});

test('a thread that hangs makes the replica unready, and then ends it', async () => {
  const hanging = `const { parentPort } = require('node:worker_threads');
    parentPort.postMessage({ kind: 'listening', port: 1 });
    parentPort.on('message', () => process.exit());`;
  const other = new World(await aCertificate());
  const looks = { everyMs: 1, unready: 5, dead: 20 };
  const thread = await startWebhookThread(other.options({ code: hanging, looks }), stop.signal);
  await untilPasses(() => expect(thread.answers()).toBe(false));
  await untilPasses(() => expect(String(other.failures[0])).toContain('hangs'));
});
