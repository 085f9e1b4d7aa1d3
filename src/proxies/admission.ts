import { LogSampler, cut, type Logger } from '../base/index.js';
import { GrpcCode, GrpcError, pathOf, type Receiver } from '../grpc/index.js';
import { REFUSAL_STATUS, signerKeyIdOf } from '../identity/index.js';
import { admit, type AdmitOptions } from './admit.js';
import type { FrontMethod, Untrusted } from './front/index.js';
import type { ProxyMetrics } from './metrics.js';
import { Registry } from './registry.js';
import type { AdmittedStream, ProxyService, ProxyStream, StreamHandler } from './service.js';
import { DEFAULT_STREAM_LIMITS, StreamBounds } from './stream-bounds.js';
import type { TrustTally } from './trust-tally.js';

export interface AdmissionOptions extends AdmitOptions {
  readonly log: Logger;
  readonly metrics: ProxyMetrics;
  /** Where proxies are counted by what they trust. */
  readonly tally?: TrustTally | undefined;
}

const COME_BACK = {
  code: GrpcCode.unavailable,
  message: 'this connection has reached its maximum age, or this replica is shutting down; reconnect',
};

/** From the beginning of a stream to its first request, in milliseconds. */
const FIRST_REQUEST_MS = 10_000;

/** What every stream of a proxy passes before a service sees it: bounds, its first request, and whether it may. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #bounds: StreamBounds;
  readonly #refusals = new LogSampler();

  constructor(options: AdmissionOptions) {
    this.#options = options;
    // Behind a network that hides the addresses of pods, many share one.
    const { perCertificate, perAddress } = DEFAULT_STREAM_LIMITS;
    this.#bounds = new StreamBounds({
      perCertificate,
      perAddress: options.podCheck.checkPeerAddress ? perAddress : Number.POSITIVE_INFINITY,
    });
  }

  /** The service's method, to be served. */
  method<R>(service: ProxyService<R>): FrontMethod {
    const registry = new Registry();
    return {
      path: pathOf(service.method),
      open: (stream) => this.open(service, registry, stream),
    };
  }

  /** A stream begins; who it is comes with its first request, and nothing more is read until it is admitted. */
  open<R>(service: ProxyService<R>, registry: Registry, stream: ProxyStream): Receiver {
    this.#bounds.enter(stream);
    finishWhenDraining(stream);
    let handler: StreamHandler<R> | undefined;
    const begin = async (first: R): Promise<void> => {
      const admitted = await this.#admit(stream, service.podUidOf(first));
      if (admitted === undefined) return;
      registry.enter(admitted);
      const roots = service.rootsOf?.(first);
      if (roots !== undefined) this.#count(admitted, roots);
      handler = service.open(admitted);
      handler.request(first);
      stream.release(service.maxRequestBytes);
    };
    const late = setTimeout(() => {
      stream.fail(new GrpcError(GrpcCode.deadlineExceeded, 'no request came on the stream'));
    }, FIRST_REQUEST_MS).unref();
    stream.signal.addEventListener('abort', () => clearTimeout(late), { once: true });
    return {
      message: (bytes) => {
        const request = service.read(bytes);
        if (handler !== undefined) {
          handler.request(request);
          return;
        }
        clearTimeout(late);
        begin(request).catch((thrown: unknown) => stream.fail(thrown));
      },
      writable: () => handler?.writable(),
      halfClosed: () => stream.finish({ code: GrpcCode.ok, message: '' }),
    };
  }

  /** Connections were refused for their certificates, the last one from this address. */
  untrusted({ address, why, times }: Untrusted): void {
    const { log, metrics } = this.#options;
    metrics.refusals.inc({ reason: 'untrusted-certificate' }, times);
    const sample = this.#refusals.take(`untrusted ${address}`);
    if (sample !== undefined)
      log.info({ peer: address, why: cut(why), ...sample }, 'refused a connection for its certificate');
  }

  #count({ uid, pod, stream }: AdmittedStream, roots: readonly string[]): void {
    const { streams } = this.#options.metrics;
    streams.inc();
    stream.signal.addEventListener('abort', () => streams.dec(), { once: true });
    const der = stream.peer.certificate?.der();
    const issuer = der && signerKeyIdOf(der);
    const proxy = { uid, pod: `${pod.namespace}/${pod.name}`, roots, issuer };
    this.#options.tally?.enter(proxy, stream.signal);
  }

  /** Undefined: the stream has ended meanwhile. */
  async #admit(stream: ProxyStream, uid: string): Promise<AdmittedStream | undefined> {
    const { log, metrics } = this.#options;
    const pod = await admit(stream.peer, uid, this.#options, stream.signal);
    if (stream.signal.aborted) return undefined;
    if ('kind' in pod) {
      metrics.refusals.inc({ reason: pod.reason });
      const { reason, message } = pod;
      const sample = this.#refusals.take(`${reason} ${stream.peer.address}`);
      if (sample !== undefined)
        log.warn({ reason, peer: stream.peer.address, why: cut(message), ...sample }, 'refused a stream');
      throw new GrpcError(REFUSAL_STATUS[pod.reason], `${pod.reason}: ${pod.message}`);
    }
    return { uid, pod, stream };
  }
}

/** The connection outlives the stream, so the stream takes its listener along. */
function finishWhenDraining(stream: ProxyStream): void {
  const finish = (): void => stream.finish(COME_BACK);
  if (stream.draining.aborted) finish();
  else stream.draining.addEventListener('abort', finish, { once: true, signal: stream.signal });
}
