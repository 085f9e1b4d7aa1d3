import type { Logger, Looks, Metrics, Watched } from '../base/index.js';
import type { ListenerMetrics } from '../base/listener/index.js';
import type { ServerIdentity } from '../grpc/index.js';
import type { PodCheck } from '../identity/index.js';
import { Admission } from './admission.js';
import {
  measureFront,
  startFront,
  type Front,
  type FrontMethod,
  type RunningFront,
  type StartFront,
} from './front/index.js';
import { proxyMetrics } from './metrics.js';
import type { ProxyService } from './service.js';
import type { TrustTally } from './trust-tally.js';

export interface ProxyPortOptions {
  /** Default: every address. */
  readonly host?: string;
  /** `names.ControlPlanePort.config`; 0 in tests. */
  readonly port: number;
  /** The control plane's SVID, from `keepOwnCertificate`; its `roots` are what client certificates must chain to. */
  readonly identity: Watched<ServerIdentity>;
  /** Client certificates must hold an identity of this trust domain. */
  readonly trustDomain: string;
  /** Ties a stream to the pod that its first request names: see `podDirectory`. */
  readonly podCheck: PodCheck;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly listeners?: ListenerMetrics;
  /** Where proxies are counted by what they trust. */
  readonly tally?: TrustTally;
  /** Starts what ends TLS and HTTP/2 of the port. */
  readonly front: StartFront;
  /** When a front that says nothing counts as silent, and as dead. */
  readonly looks?: Looks;
  /** It has ended, hangs or cannot be understood: ends the process, as no proxy is served without it. */
  readonly failed: (thrown: unknown) => void;
}

/** The port that proxies connect to, with gRPC over mutual TLS: the front serves it, and who may have what is judged here. */
export class ProxyPort {
  readonly #options: ProxyPortOptions;
  readonly #admission: Admission;
  readonly #methods: FrontMethod[] = [];

  constructor(options: ProxyPortOptions) {
    const { trustDomain, podCheck, log, metrics, tally } = options;
    this.#options = options;
    this.#admission = new Admission({
      trustDomain,
      podCheck,
      log,
      metrics: proxyMetrics(metrics),
      tally,
    });
  }

  /** Offers a service; call it before `listen`. */
  serve<R>(service: ProxyService<R>): this {
    this.#methods.push(this.#admission.method(service));
    return this;
  }

  #startFront(): Front {
    const started = this.#options.front();
    if (started.pid !== undefined) measureFront(this.#options.metrics, started.pid);
    return started;
  }

  /** Serves until the signal aborts; resolves once the port is bound. */
  listen(signal: AbortSignal): Promise<RunningFront> {
    const { host, port, identity, trustDomain, podCheck, log, listeners, looks, failed } = this.#options;
    return startFront(
      {
        start: () => this.#startFront(),
        settings: {
          ...(host === undefined ? {} : { host }),
          port,
          trustDomain,
          sharedAddresses: !podCheck.checkPeerAddress,
        },
        identity,
        methods: this.#methods,
        log,
        listeners,
        untrusted: (untrusted) => this.#admission.untrusted(untrusted),
        failed,
        looks,
      },
      signal,
    );
  }
}
