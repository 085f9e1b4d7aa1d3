import { MeshError, type Logger, type Metrics } from '../base/index.js';
import type { DirtyKey, Mesh } from '../model/index.js';
import type { AdmittedStream, ProxyService, StreamHandler } from '../proxies/index.js';
import { AggregatedDiscoveryService } from '../wire/gen/envoy/service/discovery/v3/ads_pb.js';
import { AckNotifier } from './ack-notifier.js';
import { Acks, type Rejection } from './acks.js';
import { configMetrics, type ConfigMetrics } from './metrics.js';
import type { AckSummary } from './policy-acks.js';
import { ProxySession } from './proxy-session.js';
import { readRequest, type DeltaRequest } from './request.js';
import { Snapshot } from './snapshot.js';
import { throttle, type ThrottleOptions } from './throttle.js';
import { Views } from './views.js';

export interface ConfigServiceOptions {
  /** Read whenever a proxy needs something; say what has changed in it with `changed`. */
  readonly mesh: Mesh;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** How changes are gathered. Default: sent after 1 ms, and 10 ms or more apart. */
  readonly throttle?: ThrottleOptions;
}

const ACKS_EVERY_MS = 250;
const THROTTLE: ThrottleOptions = { soonMs: 1, everyMs: 10 };

/** Two thousand names with the versions held, sent when a stream is resumed, fit into this. */
const MAX_REQUEST_BYTES = 1024 * 1024;

/**
 * `envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources`: what each proxy subscribes to, and
 * what it is sent. A `ProxyPort` serves it.
 */
export class ConfigService implements ProxyService<DeltaRequest> {
  readonly method = AggregatedDiscoveryService.method.deltaAggregatedResources;
  readonly read = readRequest;
  readonly maxRequestBytes = MAX_REQUEST_BYTES;
  readonly #log: Logger;
  readonly #metrics: ConfigMetrics;
  readonly #acks: Acks;
  readonly #notifier: AckNotifier;
  readonly #views: Views;
  readonly #schedule: () => void;
  #dirty = new Set<DirtyKey>();
  #dirtySince: number | undefined;

  /** The signal ends the sending of changes. */
  constructor(options: ConfigServiceOptions, signal: AbortSignal) {
    const snapshot = new Snapshot(options.mesh, (id, thrown) => this.#unmade(id, thrown));
    this.#log = options.log;
    this.#notifier = new AckNotifier(ACKS_EVERY_MS, signal);
    this.#acks = new Acks(this.#notifier);
    this.#views = new Views(snapshot, this.#acks);
    this.#metrics = configMetrics(options.metrics, {
      views: () => this.#views.size,
      resources: () => snapshot.size,
    });
    this.#schedule = throttle(() => this.#flush(), options.throttle ?? THROTTLE, signal);
  }

  podUidOf(first: DeltaRequest): string {
    return first.node;
  }

  rootsOf(first: DeltaRequest): readonly string[] {
    return first.roots;
  }

  open({ uid, pod, stream }: AdmittedStream): StreamHandler<DeltaRequest> {
    const session = new ProxySession({
      uid,
      pod,
      stream,
      views: this.#views,
      acks: this.#acks,
      metrics: this.#metrics,
      log: this.#log,
    });
    stream.signal.addEventListener('abort', () => session.leave(), { once: true });
    return session;
  }

  /**
   * The mesh has changed: call it with what each change of `MeshTables` returned, as often as you like and in the same
   * turn. Changes are gathered here for a moment, then each proxy gets what it subscribes to.
   */
  changed(dirty: Iterable<DirtyKey>): void {
    for (const key of dirty) this.#dirty.add(key);
    if (this.#dirty.size === 0) return;
    this.#dirtySince ??= performance.now();
    this.#schedule();
  }

  /** How the proxies took a policy, by the uid of its object; undefined: it is in no resource that anybody subscribes to. */
  acksOf(policyUid: string): AckSummary | undefined {
    return this.#acks.summary(policyUid);
  }

  /** Some of the resources, policies in them or not, that proxies reject at present. */
  rejections(): readonly Rejection[] {
    return this.#acks.rejections();
  }

  /**
   * Tells which policies (uids) have a new summary, at most four times a second however often proxies answer; also when
   * the rejections change, then maybe of no policy. Use it to write status again.
   */
  onAcks(listener: (policyUids: ReadonlySet<string>) => void): void {
    this.#notifier.listen(listener);
  }

  /** A resource could not be made; what its subscribers have goes on. */
  #unmade(id: string, thrown: unknown): void {
    this.#metrics.unmade.inc();
    this.#log.error(
      { err: MeshError.from(thrown), resource: id },
      'could not compile a resource; its last version stays',
    );
  }

  /** Sends to each proxy what has changed of its subscriptions. */
  #flush(): void {
    const startedAt = performance.now();
    const since = this.#dirtySince ?? startedAt;
    const dirty = this.#dirty;
    this.#dirty = new Set();
    this.#dirtySince = undefined;
    const { touched, behind } = this.#views.refresh(dirty);
    for (const proxy of behind) proxy.push(since);
    this.#metrics.flushSeconds.observe((performance.now() - startedAt) / 1000);
    this.#metrics.touchedViews.inc(touched);
  }
}
