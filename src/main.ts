import { hostname } from 'node:os';
import { MeshError, Metrics, Shutdown, createLogger, names, sleep, type Logger } from './base/index.js';
import { createListenerMetrics } from './base/listener/index.js';
import type { Config } from './config.js';
import {
  Collector,
  OwnAcks,
  Peers,
  countAbsences,
  createClusterView,
  followIssuer,
  isHeardOf,
  isRotating,
  leaderWork,
  measureSettings,
  publishAcks,
  refusedKinds,
  runClusterView,
  startHealthServer,
  trustStanding,
  type ReadinessCheck,
} from './controller/index.js';
import {
  LeaseElection,
  Resources,
  connectKube,
  createKubeClientMetrics,
  createLeaseMetrics,
  getObject,
  type ConnectOptions,
  type KubeClient,
} from './kube/index.js';
import { atLeast, DEFAULT_SETTINGS } from './model/index.js';
import { TrustTally, type TrustStanding } from './proxies/index.js';
import { helpersGiveWay } from './helper-threads.js';
import { watchForEnd } from './process-end.js';
import { Servers } from './servers.js';

/** From the signal to the end of the process, all in all. */
const GRACE_MS = 10_000;
/** How long we go on answering after the signal, until kube-proxies have heard that we go. */
const LEAVE_MS = 2_000;

/** Runs the whole control plane in this process until it is told to end. Resolves with the exit code. */
export async function runControlPlane(config: Config, connect: ConnectOptions = {}): Promise<number> {
  const log = createLogger({ level: config.logLevel });
  helpersGiveWay(log);
  const shutdown = new Shutdown({ log, graceMs: GRACE_MS });
  const end = watchForEnd(log, process);
  compose(config, { connect, log, shutdown, fail: end.fail }).catch(end.fail);
  const reason = await end.reason;
  const clean = await shutdown.begin(reason.text);
  return reason.failed || !clean ? 1 : 0;
}

interface Parts {
  readonly connect: ConnectOptions;
  readonly log: Logger;
  readonly shutdown: Shutdown;
  /** Something that must not fail did: ends the process. */
  readonly fail: (thrown: unknown) => void;
}

/** The composition root: makes every part and passes it what it needs. What is added to the shutdown first ends last. */
async function compose(config: Config, { connect, log, shutdown, fail }: Parts): Promise<void> {
  const { revision, namespace: systemNamespace, trustDomain, clusterDomain, pod, minimum } = config;
  const metrics = new Metrics({ processMetrics: true });
  const listeners = createListenerMetrics(metrics);
  const client = connectKube(connect, createKubeClientMetrics(metrics));
  const caches = stage(shutdown, 'caches', () => client.close());
  const serving = stage(shutdown, 'servers', () => servers.closed());
  const leading = stage(shutdown, 'lease', async () => {
    await elected;
    await sleep(LEAVE_MS);
  });

  const view = createClusterView({ client, systemNamespace, revision, log, metrics });
  const installed = atLeast({ ...DEFAULT_SETTINGS, clusterDomain, trustDomain }, minimum);
  const collector = new Collector({ view, installed, log: log.child({ room: 'controller' }) });
  collector.attach();
  measureSettings(metrics, collector);
  const absences = countAbsences(metrics, { view, revision, systemNamespace });
  const issuer = followIssuer({ view, log }, caches);
  issuer.subscribe((material) => {
    if (material !== undefined) collector.setSessionKey(material.sessionKey);
  });
  runClusterView(
    view,
    { client, log, restart: (reason) => fail(new MeshError('internal', reason)) },
    caches,
  ).catch(fail);

  const tally = new TrustTally(({ uid, pod: name }) => {
    const there = view.pods.store.get(name);
    return there?.metadata.uid === uid && isHeardOf(there);
  });
  view.pods.store.onChange(() => tally.changed());
  const trust = trustStanding(issuer, tally);
  // It changes with every pod, and nobody asks at other times.
  const told = (): TrustStanding | undefined => (isRotating(view.rotation.store) ? trust() : undefined);
  const own = new OwnAcks();
  const peers = new Peers({ view, pod, systemNamespace });
  const servers = new Servers({
    config,
    client,
    view,
    collector,
    issuer,
    own,
    tally,
    log,
    metrics,
    listeners,
    failed: fail,
  });
  const election = newElection(config, { client, log, metrics });
  const ready = (): readonly ReadinessCheck[] => [
    { name: 'not shutting down', holds: () => !shutdown.signal.aborted },
    { name: 'the election is alive', holds: () => election.alive },
    ...servers.readiness(),
  ];
  const notes = (): string[] => [...refusedKinds(view), ...servers.notes()];
  const health = { port: names.ControlPlanePort.health, metrics, listeners, ready, notes };
  await startHealthServer(health, caches);

  const lead = leaderWork({
    client: client.fenced(() => election.holds),
    view,
    collector,
    issuer,
    own,
    peers,
    trust,
    revision,
    systemNamespace,
    trustDomain,
    privateNetworks: config.jwtPrivateNetworks,
    evict: config.evictPerMinute > 0 ? { absences, perMinute: config.evictPerMinute } : undefined,
    evictsMissed: config.capture === 'CNI',
    log,
    metrics,
  });
  const elected = election.run(lead, leading).catch(fail);
  if (pod !== undefined)
    publishAcks({ client, systemNamespace, revision, pod, own, trust: told, log }, serving).catch(fail);
  await servers.start(serving);
  log.info({ revision, server: client.server }, 'the control plane serves');
}

/** A part of the process that ends at its turn: gives the signal that ends it, and waits for `ended`. */
function stage(shutdown: Shutdown, name: string, ended: () => Promise<void> | void): AbortSignal {
  const controller = new AbortController();
  shutdown.add(name, async () => {
    controller.abort(new MeshError('aborted', `shutting down: ${name}`));
    await ended();
  });
  return controller.signal;
}

function newElection(
  config: Config,
  parts: { client: KubeClient; log: Logger; metrics: Metrics },
): LeaseElection {
  const { client, log } = parts;
  return new LeaseElection({
    client,
    namespace: config.namespace,
    name: names.revisionName(config.revision),
    // A slash is in no pod's name.
    identity: config.pod?.name ?? `outside/${hostname()}`,
    isGone: async (holder, signal) => {
      if (holder.includes('/')) return false;
      const at = { namespace: config.namespace, name: holder };
      return (await getObject(client, Resources.pod, at, signal)) === undefined;
    },
    log: log.child({ room: 'lease' }),
    metrics: createLeaseMetrics(parts.metrics),
  });
}
