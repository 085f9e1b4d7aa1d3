import type { Logger } from '../base/index.js';
import type { KnownPod } from '../identity/index.js';
import type { ProxyStream, StreamHandler } from '../proxies/index.js';
import type { Acks } from './acks.js';
import type { ConfigMetrics } from './metrics.js';
import type { DeltaRequest } from './request.js';
import { DESTINATION_TYPE_URL, WORKLOAD_TYPE_URL } from './resources/index.js';
import type { Consumer } from './snapshot.js';
import { DeltaStream, type Effect } from './stream.js';
import type { Subscriber, Subscription } from './subscription.js';
import type { Views } from './views.js';
import { encodeResponse } from './wire-response.js';

export interface SessionOptions {
  readonly uid: string;
  readonly pod: KnownPod;
  readonly stream: ProxyStream;
  readonly views: Views;
  readonly acks: Acks;
  readonly metrics: ConfigMetrics;
  readonly log: Logger;
}

/** A pod logs a NACK at most this often, in milliseconds. */
const NACK_LOG_MS = 10_000;

/** One admitted proxy: joins its stream and its subscriptions. */
export class ProxySession implements Subscriber, StreamHandler<DeltaRequest> {
  readonly consumer: Consumer;
  readonly pod: string;
  readonly #options: SessionOptions;
  readonly #delta: DeltaStream;
  /** When the oldest change happened that the proxy has not got. */
  #behindSince: number | undefined;
  #nackLoggedAt = Number.NEGATIVE_INFINITY;

  constructor(options: SessionOptions) {
    const { uid, pod, views, acks } = options;
    this.#options = options;
    this.consumer = { uid, namespace: pod.namespace };
    this.pod = `${pod.namespace}/${pod.name}`;
    this.#delta = new DeltaStream([WORKLOAD_TYPE_URL, DESTINATION_TYPE_URL], {
      subscribe: (typeUrl, name, held) => views.subscribe(this, typeUrl, name, held),
      unsubscribe: (subscription) => views.unsubscribe(subscription),
      count: (subscription) => acks.count(subscription),
    });
  }

  request(request: DeltaRequest): void {
    const effect = this.#delta.request(request);
    if (effect === undefined) return;
    this.#options.metrics.refusedNames.inc(effect.refused);
    if (effect.rejections.length > 0) this.#noteNack(request.typeUrl, effect.rejections);
    this.pump();
  }

  changed(subscription: Subscription): void {
    this.#delta.changed(subscription);
  }

  push(since: number): void {
    this.#behindSince = Math.min(this.#behindSince ?? since, since);
    this.pump();
  }

  writable(): void {
    this.pump();
  }

  /** Sends what is due for as long as the proxy reads. */
  pump(): void {
    const { stream, metrics } = this.#options;
    let sent = false;
    // Asked before there is a response: until then, what waits is a name and a version.
    while (stream.hasRoom()) {
      const response = this.#delta.next();
      if (response === undefined) {
        this.#caughtUp(sent);
        return;
      }
      stream.send(encodeResponse(response));
      metrics.responses.inc();
      metrics.resources.inc(response.resources.length);
      sent = true;
    }
  }

  #caughtUp(sent: boolean): void {
    if (this.#behindSince === undefined) return;
    const { metrics } = this.#options;
    if (sent) metrics.pushSeconds.observe((performance.now() - this.#behindSince) / 1000);
    this.#behindSince = undefined;
  }

  /** The stream has ended. */
  leave(): void {
    this.#delta.end();
  }

  #noteNack(typeUrl: string, rejections: Effect['rejections']): void {
    const { metrics, log } = this.#options;
    metrics.nacks.inc({ type: typeUrl === WORKLOAD_TYPE_URL ? 'workload' : 'destination' });
    const now = performance.now();
    if (now - this.#nackLoggedAt < NACK_LOG_MS) return;
    this.#nackLoggedAt = now;
    for (const { subscription, rejected } of rejections.slice(0, 1)) {
      const { reason, words } = rejected;
      log.warn(
        { pod: this.pod, typeUrl, name: subscription.view.name, reason, words },
        'a proxy rejected a resource',
      );
    }
  }
}
