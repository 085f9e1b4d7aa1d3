import type { Logger, Metrics, Watched } from '../base/index.js';
import type { ConnectionLimits, ListenerMetrics } from '../base/listener/index.js';
import { startGrpcServer, type GrpcServer, type Method, type ServerIdentity } from '../grpc/index.js';
import type { PodCheck } from '../identity/index.js';
import { Admission } from './admission.js';
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
}

/** A pod's proxy has one connection, and a second while it is told to leave the first. */
const CONNECTIONS: ConnectionLimits = {
  total: 12_000,
  perAddress: 16,
  newPerAddress: { burst: 64, everyMs: 100 },
};
const SHARED_CONNECTIONS: ConnectionLimits = {
  total: 12_000,
  perAddress: 12_000,
  newPerAddress: { burst: 12_000, everyMs: 1 },
};

/** Of the first request, which says who the proxy is: more is read of admitted streams only. */
const MAX_FIRST_REQUEST_BYTES = 16 * 1024;

/** A proxy answers each response, of which there are few, and asks as its pod finds new destinations. */
const MAX_REQUESTS_PER_SECOND = 200;

/** Reading is work for the one thread: the largest request twice over is more than a proxy has to say in a second. */
const MAX_REQUEST_BYTES_PER_SECOND = 2 * 1024 * 1024;

/** The port that proxies connect to, with gRPC over mutual TLS. */
export class ProxyPort {
  readonly #options: ProxyPortOptions;
  readonly #admission: Admission;
  readonly #methods: Method[] = [];

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

  /** Serves until the signal aborts; resolves once the port is bound. */
  listen(signal: AbortSignal): Promise<GrpcServer> {
    const { host, port, identity, podCheck, log, listeners } = this.#options;
    return startGrpcServer(
      {
        ...(host === undefined ? {} : { host }),
        port,
        identity,
        requireClientCertificate: true,
        methods: this.#methods,
        maxMessageBytes: MAX_FIRST_REQUEST_BYTES,
        messagesPerSecond: MAX_REQUESTS_PER_SECOND,
        bytesPerSecond: MAX_REQUEST_BYTES_PER_SECOND,
        onUntrusted: (address, why) => this.#admission.untrusted(address, why),
        name: 'configuration',
        metrics: listeners,
        connections: podCheck.checkPeerAddress ? CONNECTIONS : SHARED_CONNECTIONS,
        maxStreams: 4,
        log,
      },
      signal,
    );
  }
}
