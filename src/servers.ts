import {
  bundledWebhookThread,
  reviewMetrics,
  startWebhookThread,
  type CertificateSource,
  type InjectionSettings,
  type Namespace as Marks,
  type NamespaceSource,
  type WebhookThread,
} from './admission/index.js';
import { names, systemClock, watched, type Logger, type Metrics, type Watched } from './base/index.js';
import type { ListenerMetrics } from './base/listener/index.js';
import type { Config } from './config.js';
import {
  isAtLeast,
  podCertificateObstacle,
  untilWebhookTrusted,
  unsettledKinds,
  viewSettled,
  reporterOf,
  type ClusterView,
  type Collector,
  type OwnAcks,
  type ReadinessCheck,
} from './controller/index.js';
import {
  Authority,
  controlPlaneName,
  keepOwnCertificate,
  livesOf,
  podDirectory,
  startIdentityServer,
  watchExpiry,
  webhookName,
  type IssuerMaterial,
  type OwnCertificate,
} from './identity/index.js';
import { tokenReviewer, type KubeClient, type Namespace, type Store } from './kube/index.js';
import { ProxyPort, frontProgram, type RunningFront, type TrustTally } from './proxies/index.js';
import { ReportService, Viewers, startViewServer } from './telemetry/index.js';
import { ConfigService } from './xds/index.js';

export interface ServersOptions {
  readonly config: Config;
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly collector: Collector;
  readonly issuer: Watched<IssuerMaterial | undefined>;
  readonly own: OwnAcks;
  /** Where proxies are counted by what they trust. */
  readonly tally: TrustTally;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly listeners: ListenerMetrics;
  /** Something that nobody is served without has failed for good: ends the process. */
  readonly failed: (thrown: unknown) => void;
}

/** How often to look whether pods can have certificates from the kubelet. */
const LOOK_MS = 10_000;
/** Kubelets from this minor version of Kubernetes 1 on run native sidecars. */
const NATIVE_SIDECAR_MINOR = 29;

/** What every replica serves: webhook, certificates and config. It waits for the caches and for the issuer. */
export class Servers {
  readonly #options: ServersOptions;
  readonly #closed: Promise<void>[] = [];
  #identity: Watched<OwnCertificate> | undefined;
  #webhook: Watched<OwnCertificate> | undefined;
  #thread: WebhookThread | undefined;
  #front: RunningFront | undefined;
  #settled = false;
  #listening = false;
  #trusted = false;

  constructor(options: ServersOptions) {
    this.#options = options;
    watchExpiry(options.metrics, {
      issuer: options.issuer,
      serving: () => this.#identity?.current,
      webhook: () => this.#webhook?.current,
    });
  }

  /** Resolves when all of them listen and the API server trusts the webhook; they stop when the signal aborts. */
  async start(signal: AbortSignal): Promise<void> {
    const { client, view, issuer, config, log } = this.#options;
    await viewSettled(view);
    this.#settled = true;
    this.#identity = await keepOwnCertificate(
      { issuer, log, name: controlPlaneName(config.trustDomain, config.namespace) },
      signal,
    );
    const webhook = webhookName(config.revision, config.namespace);
    this.#webhook = await keepOwnCertificate({ issuer, log, name: webhook }, signal);
    await Promise.all([this.#startConfig(signal), this.#startIdentity(signal), this.#startWebhook(signal)]);
    this.#listening = true;
    await untilWebhookTrusted({ client, revision: config.revision, issuer, log }, signal);
    this.#trusted = true;
  }

  /** Settles when, after the signal, the last answer is out. */
  async closed(): Promise<void> {
    await Promise.allSettled(this.#closed);
  }

  readiness(): readonly ReadinessCheck[] {
    return [
      {
        name: 'every kind has been listed',
        holds: () => this.#settled,
        missing: () => unsettledKinds(this.#options.view),
      },
      { name: 'the certificate towards proxies is valid', holds: () => isValid(this.#identity) },
      { name: 'the certificate of the webhook is valid', holds: () => isValid(this.#webhook) },
      { name: 'the thread of the webhook answers', holds: () => this.#thread?.answers() !== false },
      { name: 'the front of the port for proxies answers', holds: () => this.#front?.answers() !== false },
      { name: 'all ports are open', holds: () => this.#listening },
      // Once, at the start: what becomes of the configuration later is the leader's to repair.
      { name: 'the webhook configuration trusts our roots', holds: () => this.#trusted },
    ];
  }

  /** What does not keep this replica from being ready. */
  notes(): readonly string[] {
    return this.#front?.notes() ?? [];
  }

  async #startConfig(signal: AbortSignal): Promise<void> {
    const { config, view, collector, own, tally, log, metrics, listeners, failed } = this.#options;
    const configuration = new ConfigService(
      { mesh: collector.mesh, log: log.child({ room: 'xds' }), metrics },
      signal,
    );
    const port = new ProxyPort({
      port: names.ControlPlanePort.config,
      identity: required(this.#identity),
      trustDomain: config.trustDomain,
      podCheck: this.#podCheck(),
      tally,
      log: log.child({ room: 'proxies' }),
      metrics,
      listeners,
      front: frontProgram(config.front, log.child({ room: 'front' })),
      failed,
    });
    const reports = new ReportService({
      clock: systemClock,
      metrics,
      reporterOf: (pod) => reporterOf(view.pods.store, config.trustDomain, pod),
      serves: (uid, service) =>
        collector.mesh.endpointSetsWith(uid).some((endpoints) => endpoints.service === service),
    });
    this.#front = await port.serve(configuration).serve(reports).listen(signal);
    await this.#startView(reports, signal);
    collector.onDirty((dirty) => configuration.changed(dirty));
    own.follow(configuration);
    this.#closed.push(this.#front.closed);
  }

  /** What people see of the traffic. */
  async #startView(reports: ReportService, signal: AbortSignal): Promise<void> {
    const { config, client, issuer, log, listeners } = this.#options;
    const account = names.viewAccount(config.revision);
    const viewers = new Viewers({
      review: tokenReviewer(client),
      username: `system:serviceaccount:${config.namespace}:${account}`,
      clock: systemClock,
    });
    await startViewServer(
      {
        port: names.ControlPlanePort.view,
        identity: required(this.#identity),
        reports,
        authority: () => (issuer.current === undefined ? undefined : livesOf(issuer.current)),
        viewers,
        log: log.child({ room: 'telemetry' }),
        listeners,
      },
      signal,
    );
  }

  async #startIdentity(signal: AbortSignal): Promise<void> {
    const { config, client, issuer, log, metrics, listeners } = this.#options;
    const authority = new Authority({
      trustDomain: config.trustDomain,
      systemNamespace: config.namespace,
      issuer,
      reviewToken: tokenReviewer(client),
      podCheck: this.#podCheck(),
      clock: systemClock,
    });
    const server = await startIdentityServer(
      {
        port: names.ControlPlanePort.csr,
        identity: required(this.#identity),
        authority,
        sharedAddresses: !config.checkPeerAddress,
        log: log.child({ room: 'identity' }),
        metrics,
        listeners,
      },
      signal,
    );
    this.#closed.push(server.closed);
  }

  async #startWebhook(signal: AbortSignal): Promise<void> {
    const { view, config, metrics, listeners, failed } = this.#options;
    this.#thread = await startWebhookThread(
      {
        code: bundledWebhookThread(),
        certificate: certificateSource(required(this.#webhook)),
        settings: this.#followSettings(signal),
        namespaces: namespaceSource(view.namespaces.store),
        logLevel: config.logLevel,
        metrics: reviewMetrics(metrics),
        listeners,
        failed,
      },
      signal,
    );
    this.#closed.push(this.#thread.closed);
  }

  #podCheck(): { pods: ReturnType<typeof podDirectory>; checkPeerAddress: boolean } {
    const { collector, config } = this.#options;
    return { pods: podDirectory(collector.mesh), checkPeerAddress: config.checkPeerAddress };
  }

  /** What pods are injected with follows the oldest kubelet, and whether there are roots for pod certificates. */
  #followSettings(signal: AbortSignal): Watched<InjectionSettings> {
    const settings = watched(this.#injectionSettings());
    const { nodes, clusterTrustBundles } = this.#options.view;
    const renew = (): void => settings.set(this.#injectionSettings());
    const stops = [
      nodes.store.onChange((change) => {
        const version = change.type === 'set' ? change.object.kubeletVersion : undefined;
        if (version !== change.previous?.kubeletVersion) renew();
      }),
      // Written by the leader, where the cluster has such objects.
      clusterTrustBundles.store.onChange(({ key }) => {
        if (key === names.trustBundleName(this.#options.config.revision)) renew();
      }),
    ];
    // A kind that becomes served tells nobody.
    const looking = setInterval(() => {
      if (this.#obstacle() !== settings.current.podCertificates.obstacle) renew();
    }, LOOK_MS).unref();
    stops.push(() => clearInterval(looking));
    signal.addEventListener('abort', () => stops.forEach((stop) => stop()), { once: true });
    return settings;
  }

  #obstacle(): string | undefined {
    return podCertificateObstacle(this.#options.view, this.#options.config.revision);
  }

  #injectionSettings(): InjectionSettings {
    const { config, view } = this.#options;
    return {
      revision: config.revision,
      systemNamespace: config.namespace,
      trustDomain: config.trustDomain,
      clusterDomain: config.clusterDomain,
      image: config.image,
      proxyLog: config.proxy.log,
      resources: config.proxy.resources,
      scrapeAnnotations: config.proxy.scrapeAnnotations,
      nativeSidecar: nativeSidecars([...view.nodes.store.values()].map((node) => node.kubeletVersion)),
      capture: config.capture,
      podCertificates: {
        choice: config.podCertificates,
        obstacle: this.#obstacle(),
      },
    };
  }
}

/** Whether the oldest kubelet runs native sidecars. A version that cannot be read does not count. */
export function nativeSidecars(kubelets: readonly string[]): boolean {
  return kubelets.every((version) => isAtLeast(version, NATIVE_SIDECAR_MINOR));
}

function certificateSource(certificate: Watched<OwnCertificate>): CertificateSource {
  const pemsOf = ({ chain, privateKey }: OwnCertificate): { certPem: string; keyPem: string } => ({
    certPem: chain,
    keyPem: privateKey,
  });
  return {
    current: () => pemsOf(certificate.current),
    subscribe: (listener) => {
      const stop = new AbortController();
      certificate.subscribe((next) => listener(pemsOf(next)), stop.signal);
      return () => stop.abort();
    },
  };
}

function namespaceSource(store: Store<Namespace>): NamespaceSource {
  const marksOf = ({ metadata: { labels, annotations } }: Namespace): Marks => ({ labels, annotations });
  return {
    all: () => [...store.values()].map((namespace) => [namespace.metadata.name, marksOf(namespace)]),
    subscribe: (listener) =>
      store.onChange((change) =>
        listener(change.key, change.type === 'set' ? marksOf(change.object) : undefined),
      ),
  };
}

function isValid(certificate: Watched<OwnCertificate> | undefined): boolean {
  if (certificate === undefined) return false;
  const { notBefore, notAfter } = certificate.current;
  const now = systemClock.now();
  return notBefore.getTime() <= now && now < notAfter.getTime();
}

function required(certificate: Watched<OwnCertificate> | undefined): Watched<OwnCertificate> {
  if (certificate === undefined) throw new TypeError('servers start after their certificates');
  return certificate;
}
