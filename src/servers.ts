import { startWebhook, type CertificateSource, type InjectionSettings } from './admission/index.js';
import { names, systemClock, type Logger, type Metrics, type Watched } from './base/index.js';
import type { Config } from './config.js';
import {
  untilWebhookTrusted,
  viewSynced,
  type ClusterView,
  type Collector,
  type OwnAcks,
  type ReadinessCheck,
} from './controller/index.js';
import {
  Authority,
  controlPlaneName,
  keepOwnCertificate,
  podDirectory,
  startIdentityServer,
  webhookName,
  type IssuerMaterial,
  type OwnCertificate,
} from './identity/index.js';
import { tokenReviewer, type KubeClient } from './kube/index.js';
import { startConfigServer } from './xds/index.js';

export interface ServersOptions {
  readonly config: Config;
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly collector: Collector;
  readonly issuer: Watched<IssuerMaterial | undefined>;
  readonly own: OwnAcks;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Kubelets from this minor version of Kubernetes 1 on run native sidecars. */
const NATIVE_SIDECAR_MINOR = 29;

/** What every replica serves: webhook, certificates and config. It waits for the caches and for the issuer. */
export class Servers {
  readonly #options: ServersOptions;
  readonly #closed: Promise<void>[] = [];
  #identity: Watched<OwnCertificate> | undefined;
  #webhook: Watched<OwnCertificate> | undefined;
  #synced = false;
  #listening = false;
  #trusted = false;

  constructor(options: ServersOptions) {
    this.#options = options;
  }

  /** Resolves when all of them listen and the API server trusts the webhook; they stop when the signal aborts. */
  async start(signal: AbortSignal): Promise<void> {
    const { client, view, issuer, config, log } = this.#options;
    await viewSynced(view);
    this.#synced = true;
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
      { name: 'every kind has been listed', holds: () => this.#synced },
      { name: 'the certificate towards proxies is valid', holds: () => isValid(this.#identity) },
      { name: 'the certificate of the webhook is valid', holds: () => isValid(this.#webhook) },
      { name: 'all ports are open', holds: () => this.#listening },
      // Once, at the start: what becomes of the configuration later is the leader's to repair.
      { name: 'the webhook configuration trusts our roots', holds: () => this.#trusted },
    ];
  }

  async #startConfig(signal: AbortSignal): Promise<void> {
    const { config, collector, own, log, metrics } = this.#options;
    const server = await startConfigServer(
      {
        port: names.ControlPlanePort.config,
        identity: required(this.#identity),
        trustDomain: config.trustDomain,
        podCheck: this.#podCheck(),
        mesh: collector.mesh,
        log: log.child({ room: 'xds' }),
        metrics,
      },
      signal,
    );
    collector.onDirty((dirty) => server.changed(dirty));
    own.follow(server);
    this.#closed.push(server.closed);
  }

  async #startIdentity(signal: AbortSignal): Promise<void> {
    const { config, client, issuer, log, metrics } = this.#options;
    const authority = new Authority({
      trustDomain: config.trustDomain,
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
        log: log.child({ room: 'identity' }),
        metrics,
      },
      signal,
    );
    this.#closed.push(server.closed);
  }

  async #startWebhook(signal: AbortSignal): Promise<void> {
    const { view, log, metrics } = this.#options;
    const webhook = await startWebhook(
      {
        certificate: certificateSource(required(this.#webhook)),
        settings: () => this.#injectionSettings(),
        namespaceOf: (name) => view.namespaces.store.get(name)?.metadata,
        log,
        metrics,
      },
      signal,
    );
    this.#closed.push(webhook.closed);
  }

  #podCheck(): { pods: ReturnType<typeof podDirectory>; checkPeerAddress: boolean } {
    const { collector, config } = this.#options;
    return { pods: podDirectory(collector.mesh), checkPeerAddress: config.checkPeerAddress };
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
      nativeSidecar: nativeSidecars([...view.nodes.store.values()].map((node) => node.kubeletVersion)),
    };
  }
}

/** Whether the oldest kubelet runs native sidecars. A version that cannot be read does not count. */
export function nativeSidecars(kubelets: readonly string[]): boolean {
  return kubelets.every((version) => {
    const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
    return major === undefined || Number(major) > 1 || Number(minor) >= NATIVE_SIDECAR_MINOR;
  });
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
