import { GrpcCode, GrpcError } from '../base/grpc/index.js';
import { MeshError, type Logger, type Metrics } from '../base/index.js';
import { REFUSAL_STATUS, type PodCheck } from '../identity/index.js';
import type { DirtyKey, Mesh } from '../model/index.js';
import type { DeltaDiscoveryRequest } from '../wire/gen/envoy/service/discovery/v3/ads_pb.js';
import { AckNotifier } from './acks.js';
import { admit } from './admit.js';
import { debounce, type DebounceOptions } from './debounce.js';
import { configMetrics, type ConfigMetrics } from './metrics.js';
import { ProxySession } from './proxy-session.js';
import { Snapshot } from './snapshot.js';
import type { ConfigStream, ConfigStreamHandler } from './transport.js';
import { Views } from './views.js';

export interface HubOptions {
  readonly trustDomain: string;
  readonly podCheck: PodCheck;
  readonly mesh: Mesh;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly debounce?: DebounceOptions;
}

const ACKS_EVERY_MS = 250;
const DEBOUNCE: DebounceOptions = { quietMs: 20, maxMs: 200 };

const COME_BACK = {
  code: GrpcCode.unavailable,
  message: 'this connection has reached its age, or this replica ends; connect again',
};

/** Requests that may wait while a stream is being judged; a proxy sends a few. */
const MAX_EARLY_REQUESTS = 64;
const TOO_EARLY = 'too many requests before the stream was admitted';

/** All streams of this replica, and what they are told. */
export class Hub {
  readonly views: Views<ProxySession>;
  readonly acks: AckNotifier;
  readonly #options: HubOptions;
  readonly #metrics: ConfigMetrics;
  readonly #sessions = new Map<string, ProxySession>();
  readonly #schedule: () => void;
  #dirty = new Set<DirtyKey>();
  #dirtySince: number | undefined;

  constructor(options: HubOptions, signal: AbortSignal) {
    const snapshot = new Snapshot(options.mesh);
    this.#options = options;
    this.views = new Views(snapshot, (name, thrown) => this.#unmade(name, thrown));
    this.acks = new AckNotifier(ACKS_EVERY_MS, signal);
    this.#metrics = configMetrics(options.metrics, {
      views: () => this.views.size,
      resources: () => snapshot.size,
    });
    this.#schedule = debounce(() => this.#flush(), options.debounce ?? DEBOUNCE, signal);
  }

  changed(dirty: Iterable<DirtyKey>): void {
    for (const key of dirty) this.#dirty.add(key);
    this.#dirtySince ??= performance.now();
    this.#schedule();
  }

  /** A stream begins; who it is comes with its first request. */
  open(stream: ConfigStream): ConfigStreamHandler {
    let session: ProxySession | undefined;
    const early: DeltaDiscoveryRequest[] = [];
    const begin = async (uid: string): Promise<void> => {
      session = await this.#admit(stream, uid);
      for (const request of early.splice(0)) session?.request(request);
    };
    const wait = (request: DeltaDiscoveryRequest): void => {
      if (early.push(request) > MAX_EARLY_REQUESTS)
        throw new GrpcError(GrpcCode.resourceExhausted, TOO_EARLY);
      if (early.length === 1) begin(request.node?.id ?? '').catch((thrown: unknown) => stream.fail(thrown));
    };
    whenAborted(stream.draining, () => stream.finish(COME_BACK));
    return {
      request: (request) => {
        if (session === undefined) wait(request);
        else session.request(request);
      },
      writable: () => session?.writable(),
      halfClosed: () => stream.finish({ code: GrpcCode.ok, message: '' }),
    };
  }

  /** A connection was refused for its certificate. */
  untrusted(address: string, why: string): void {
    this.#metrics.refusals.inc({ reason: 'untrusted-certificate' });
    this.#options.log.info({ peer: address, why }, 'refused a connection for its certificate');
  }

  /** A resource could not be made; what its subscribers have goes on. */
  #unmade(name: string, thrown: unknown): void {
    this.#metrics.unmade.inc();
    this.#options.log.error(
      { err: MeshError.from(thrown), name },
      'could not make a resource; the last one stays',
    );
  }

  async #admit(stream: ConfigStream, uid: string): Promise<ProxySession | undefined> {
    const { log } = this.#options;
    const pod = await admit(stream.peer, uid, this.#options, stream.signal);
    if (stream.signal.aborted) return undefined;
    if ('kind' in pod) {
      this.#metrics.refusals.inc({ reason: pod.reason });
      log.warn(
        { reason: pod.reason, peer: stream.peer.address, why: pod.message },
        'refused a config stream',
      );
      throw new GrpcError(REFUSAL_STATUS[pod.reason], `${pod.reason}: ${pod.message}`);
    }
    const session = new ProxySession({
      uid,
      pod,
      stream,
      views: this.views,
      metrics: this.#metrics,
      log,
      touched: (sources) => this.acks.touch(sources),
    });
    this.#sessions.get(uid)?.supersede();
    this.#sessions.set(uid, session);
    this.#metrics.streams.inc();
    stream.signal.addEventListener('abort', () => this.#leave(uid, session), { once: true });
    return session;
  }

  #leave(uid: string, session: ProxySession): void {
    if (this.#sessions.get(uid) === session) this.#sessions.delete(uid);
    this.#metrics.streams.dec();
    session.leave();
  }

  #flush(): void {
    const since = this.#dirtySince ?? performance.now();
    const dirty = this.#dirty;
    this.#dirty = new Set();
    this.#dirtySince = undefined;
    const behind = new Set<ProxySession>();
    for (const { view, before } of this.views.refresh(dirty)) {
      this.acks.touch([...(before?.sources ?? []), ...(view.built?.sources ?? [])]);
      for (const session of view.subscribers) behind.add(session);
    }
    for (const session of behind) session.push(since);
  }
}

function whenAborted(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act();
  else signal.addEventListener('abort', act, { once: true });
}
