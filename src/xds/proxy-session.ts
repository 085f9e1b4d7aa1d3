import { GrpcCode, GrpcError } from '../base/grpc/index.js';
import type { Logger } from '../base/index.js';
import type { KnownPod } from '../identity/index.js';
import type { PolicyRef } from '../model/index.js';
import type { DeltaDiscoveryRequest } from '../wire/gen/envoy/service/discovery/v3/ads_pb.js';
import type { Judge } from './acks.js';
import type { ConfigMetrics } from './metrics.js';
import { readRequest } from './request.js';
import { DESTINATION_TYPE_URL, WORKLOAD_TYPE_URL } from './resources/index.js';
import type { Consumer } from './snapshot.js';
import { DeltaStream, type Effect, type Verdict } from './stream.js';
import type { ConfigStream } from './transport.js';
import type { View, Views } from './views.js';
import { encodeResponse } from './wire-response.js';

export interface SessionOptions {
  readonly uid: string;
  readonly pod: KnownPod;
  readonly stream: ConfigStream;
  readonly views: Views<ProxySession>;
  readonly metrics: ConfigMetrics;
  readonly log: Logger;
  /** Called with the policies whose summary may have changed. */
  readonly touched: (sources: readonly PolicyRef[]) => void;
}

/** A pod logs a NACK at most this often, in milliseconds. */
const NACK_LOG_MS = 10_000;

/** One admitted proxy: joins its stream, its subscriptions and what it said about them. */
export class ProxySession implements Judge {
  readonly consumer: Consumer;
  readonly #options: SessionOptions;
  readonly #delta: DeltaStream;
  #writable = true;
  /** When the oldest change happened that the proxy has not got. */
  #behindSince: number | undefined;
  #nackLoggedAt = Number.NEGATIVE_INFINITY;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.consumer = { uid: options.uid, namespace: options.pod.namespace };
    this.#delta = new DeltaStream(
      [WORKLOAD_TYPE_URL, DESTINATION_TYPE_URL],
      (typeUrl, name) => options.views.find(this.consumer, typeUrl, name)?.built,
    );
  }

  request(message: DeltaDiscoveryRequest): void {
    const effect = this.#delta.request(readRequest(message));
    if (effect === undefined) return;
    const { typeUrl } = effect;
    const { views, metrics } = this.#options;
    for (const name of effect.unsubscribed) this.#touch(views.unsubscribe(this, typeUrl, name));
    for (const name of effect.subscribed) this.#touch(views.subscribe(this, typeUrl, name));
    for (const name of effect.judged) this.#touch(views.find(this.consumer, typeUrl, name));
    metrics.refusedNames.inc(effect.refused);
    if (effect.nack) this.#noteNack(effect);
    this.pump();
  }

  changed(typeUrl: string, name: string): void {
    this.#delta.changed(typeUrl, name);
  }

  /** Something that this proxy subscribes to changed, first at `since` on the monotonic clock. */
  push(since: number): void {
    this.#behindSince = Math.min(this.#behindSince ?? since, since);
    this.pump();
  }

  verdict(typeUrl: string, name: string, version: string): Verdict {
    return this.#delta.verdict(typeUrl, name, version);
  }

  writable(): void {
    this.#writable = true;
    this.pump();
  }

  /** Sends what is due for as long as the proxy reads. */
  pump(): void {
    const { stream, metrics } = this.#options;
    let sent = false;
    while (this.#writable && !stream.signal.aborted) {
      const response = this.#delta.next();
      if (response === undefined) break;
      this.#writable = stream.send(encodeResponse(response));
      metrics.responses.inc();
      metrics.resources.inc(response.resources.length);
      sent = true;
    }
    if (!this.#writable || this.#behindSince === undefined) return;
    if (sent) metrics.pushSeconds.observe((performance.now() - this.#behindSince) / 1000);
    this.#behindSince = undefined;
  }

  /** Ends the stream because another one of the same pod takes its place. */
  supersede(): void {
    this.#options.stream.fail(
      new GrpcError(GrpcCode.aborted, 'a newer stream of the same pod takes the place of this one'),
    );
  }

  /** The stream has ended. */
  leave(): void {
    for (const [typeUrl, name] of this.#delta.subscriptions()) {
      this.#touch(this.#options.views.unsubscribe(this, typeUrl, name));
    }
  }

  /** What this proxy thinks of the policies in a view may be news. */
  #touch(view: View<ProxySession> | undefined): void {
    const sources = view?.built?.sources ?? [];
    if (sources.length > 0) this.#options.touched(sources);
  }

  #noteNack({ typeUrl, judged }: Effect): void {
    const { metrics, log, pod, views } = this.#options;
    metrics.nacks.inc();
    const now = performance.now();
    if (now - this.#nackLoggedAt < NACK_LOG_MS) return;
    this.#nackLoggedAt = now;
    for (const name of judged) {
      const verdict = this.verdict(
        typeUrl,
        name,
        views.find(this.consumer, typeUrl, name)?.built?.version ?? '',
      );
      if (verdict.kind !== 'rejected') continue;
      log.warn(
        { pod: `${pod.namespace}/${pod.name}`, name, reason: verdict.reason },
        'a proxy rejected a resource',
      );
      return;
    }
  }
}
