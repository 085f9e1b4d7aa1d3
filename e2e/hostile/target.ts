// The control plane's five ports over a mesh in memory, in a process of its own so that its memory and its event loop are
// only its own. Everything but the API server's opinion on tokens is real.
import { readFileSync, readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { reviewMetrics, startWebhook } from '../../src/admission/index.js';
import { settings } from '../../src/admission/inject/fixtures.js';
import { Metrics, createLogger, names, sleep, systemClock, watched } from '../../src/base/index.js';
import { createListenerMetrics } from '../../src/base/listener/index.js';
import { startHealthServer } from '../../src/controller/health-server.js';
import {
  Authority,
  controlPlaneName,
  issueCertificate,
  livesOf,
  podDirectory,
  startIdentityServer,
} from '../../src/identity/index.js';
import { builtFront } from '../../src/testing/built-front.js';
import { aMesh, aSplitPolicy, aWorkload } from '../../src/testing/mesh-fixture.js';
import { testCa } from '../../src/testing/test-ca.js';
import { ProxyPort } from '../../src/proxies/index.js';
import { ReportService, Viewers, startViewServer } from '../../src/telemetry/index.js';
import { ConfigService } from '../../src/xds/index.js';

/** Addresses of the two pods that the rows are about. */
export const HONEST = '127.0.0.1';
export const HOSTILE = '127.0.0.66';
/** Pods of the honest address; each asks for a certificate once. */
export const HONEST_PODS = 2_000;
/** So often the configuration of everybody who subscribes changes. */
const CHANGE_MS = 10;

export interface Certificate {
  readonly chain: string;
  readonly privateKey: string;
}

/** What the other processes have to know. */
export interface Target {
  readonly ports: Readonly<Record<'webhook' | 'csr' | 'config' | 'view' | 'health', number>>;
  readonly roots: string;
  readonly honest: Certificate;
  readonly hostile: Certificate;
  /** The process that ends TLS of `config`. */
  readonly front: number;
}

/** What the process says of itself and its front since it was asked last. */
export interface Strain {
  /** Of both processes. */
  readonly rssMb: number;
  /** Longest delay of the event loop, in milliseconds. */
  readonly lagMs: number;
  /** CPU of both processes, all threads, in percent of one processor. */
  readonly cpuPercent: number;
}

const identityOf = (account: string): string => `spiffe://cluster.local/ns/shop/sa/${account}`;

/** Starts all of it, says so to the parent, and answers each message with the strain until the parent goes. */
export async function serveTarget(): Promise<void> {
  const { signal } = new AbortController();
  const log = createLogger({ level: 'silent' });
  const metrics = new Metrics();
  const listeners = createListenerMetrics(metrics);
  const ca = await testCa();
  const mesh = aMesh();
  for (let pod = 0; pod < HONEST_PODS; pod++)
    mesh.workloads.set(aWorkload({ uid: `honest-${pod}`, ips: [HONEST], serviceAccount: 'web' }));
  mesh.workloads.set(aWorkload({ uid: 'hostile', ips: [HOSTILE], serviceAccount: 'evil' }));
  const name = controlPlaneName('cluster.local', names.SYSTEM_NAMESPACE);
  const identity = watched(await issueCertificate(ca.issuer, name, Date.now()));
  const webhookPair = await issueCertificate(ca.issuer, { dns: ['weft'] }, Date.now());
  const podCheck = { pods: podDirectory(mesh), checkPeerAddress: true, waitMs: 500 };
  const authority = new Authority({
    trustDomain: 'cluster.local',
    systemNamespace: names.SYSTEM_NAMESPACE,
    issuer: watched<typeof ca.issuer | undefined>(ca.issuer),
    reviewToken: review,
    podCheck,
    clock: systemClock,
  });
  const shared = { host: '::', port: 0, log, metrics, listeners };
  const csr = await startIdentityServer({ ...shared, identity, authority, sharedAddresses: false }, signal);
  const reports = new ReportService({
    clock: systemClock,
    metrics,
    reporterOf: ({ namespace }) => ({ namespace, kind: 'Pod', name: 'pod', identity: identityOf('web') }),
    serves: () => true,
  });
  const service = new ConfigService({ ...shared, mesh }, signal);
  const config = await new ProxyPort({
    ...shared,
    identity,
    trustDomain: 'cluster.local',
    podCheck,
    front: builtFront(),
    failed: (thrown) => {
      throw thrown;
    },
  })
    .serve(service)
    .serve(reports)
    .listen(signal);
  const viewers = new Viewers({ review, username: 'nobody', clock: systemClock });
  const view = await startViewServer(
    { ...shared, identity, reports, viewers, authority: () => livesOf(ca.issuer) },
    signal,
  );
  const pair = { certPem: webhookPair.chain, keyPem: webhookPair.privateKey };
  const webhook = await startWebhook(
    {
      ...shared,
      metrics: reviewMetrics(metrics),
      certificate: { current: () => pair, subscribe: () => () => undefined },
      settings: () => settings(),
      namespaceOf: () => ({ labels: { 'weft.dev/inject': 'enabled' } }),
    },
    signal,
  );
  const health = await startHealthServer({ port: 0, metrics, listeners, ready: () => [] }, signal);
  const target: Target = {
    ports: {
      webhook: webhook.port,
      csr: csr.port,
      config: config.port,
      view: view.port,
      health: health.port,
    },
    roots: ca.roots,
    honest: await ca.certificate(identityOf('web')),
    hostile: await ca.certificate(identityOf('evil')),
    front: onlyChild(),
  };
  let changes = 0;
  setInterval(() => {
    const policy = aSplitPolicy('reviews', { v1: 1_000, v2: changes++ % 1_000 });
    service.changed(mesh.policies.set(policy));
  }, CHANGE_MS);
  process.send?.(target);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  let used = cpuMs(target.front);
  let since = performance.now();
  process.on('message', () => {
    const cpu = cpuMs(target.front);
    const now = performance.now();
    const strain: Strain = {
      rssMb: process.memoryUsage.rss() / 1e6 + rssMbOf(target.front),
      lagMs: delay.max / 1e6,
      cpuPercent: ((cpu - used) * 100) / (now - since),
    };
    used = cpu;
    since = now;
    delay.reset();
    process.send?.(strain);
  });
}

/** The front is the only process that this one starts. */
function onlyChild(): number {
  const children = readdirSync('/proc/self/task').flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  );
  return Number(children[0]);
}

function rssMbOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1e3;
}

/** CPU time of this process and of another, in milliseconds. */
function cpuMs(pid: number): number {
  const { user, system } = process.cpuUsage();
  const ticks = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (user + system) / 1e3 + (Number(ticks[11]) + Number(ticks[12])) * 10;
}

/** The API server's part: a token is the name of its pod, and one it does not know takes it a while. */
async function review(token: string): Promise<object> {
  if (!token.startsWith('honest-') && token !== 'hostile') {
    await sleep(50);
    return { authenticated: false, error: 'invalid bearer token' };
  }
  const account = token === 'hostile' ? 'evil' : 'web';
  const extra = {
    'authentication.kubernetes.io/pod-name': [token],
    'authentication.kubernetes.io/pod-uid': [token],
  };
  return {
    authenticated: true,
    audiences: ['weft'],
    user: { username: `system:serviceaccount:shop:${account}`, extra },
  };
}
