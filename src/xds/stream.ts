import { GrpcCode, GrpcError } from '../grpc/index.js';
import type { DeltaRequest, Rejected, RejectedResponse } from './request.js';
import type { Sent, Subscription } from './subscription.js';
import type { DeltaResponse } from './wire-response.js';

export interface DeltaLimits {
  /** Subscriptions of one type. Names above it are answered as if the mesh did not know them. */
  readonly maxSubscriptions: number;
  /** Longest name that is looked up. */
  readonly maxNameLength: number;
  /** Names that wait to be answered so, and their characters; above that the stream ends. */
  readonly maxRefused: number;
  readonly maxRefusedLength: number;
  /** Responses without an answer; a proxy that never answers gets no more. */
  readonly maxOutstanding: number;
  /** Resources and bytes of one response, about: more follow in the next. */
  readonly maxResources: number;
  readonly maxBytes: number;
}

/** Our proxy subscribes to 1,000 destinations (`SUBSCRIPTIONS` of proxy/src/xds/client.rs). */
export const DEFAULT_LIMITS: DeltaLimits = {
  maxSubscriptions: 2_000,
  maxNameLength: 512,
  maxRefused: 1_000,
  maxRefusedLength: 262_144,
  maxOutstanding: 32,
  maxResources: 500,
  maxBytes: 262_144,
};

/** Where subscriptions are kept and counted. */
export interface Subscriptions {
  /** `held` is the version that the proxy has already. */
  subscribe(typeUrl: string, name: string, held: string | undefined): Subscription;
  unsubscribe(subscription: Subscription): void;
  /** The proxy has answered, or a new version went out. */
  count(subscription: Subscription): void;
}

/** What a request came to. */
export interface Effect {
  readonly rejections: readonly { readonly subscription: Subscription; readonly rejected: Rejected }[];
  /** Names refused because of a limit. */
  readonly refused: number;
}

/** Version of a name that has no resource. No other is empty. */
const ABSENT = '';

interface TypeState {
  readonly subscriptions: Map<string, Subscription>;
  /** What to look at when the next response is made, each once however often it changed. */
  readonly dirty: Set<Subscription>;
  /** Refused names that the proxy has not been told about, and their characters. */
  readonly refused: Set<string>;
  refusedLength: number;
  /** The proxy has asked for this type and got no response yet: it gets one, even if it has everything already. */
  owesFirst: boolean;
  asked: boolean;
  /** By nonce, what was sent in responses that the proxy has not answered. */
  readonly outstanding: Map<string, readonly Sent[]>;
}

/**
 * The protocol of one delta stream, without the stream: requests go in, `next` says what to send. It keeps names and
 * versions, never messages, so a proxy that does not read costs no memory, and gets the newest when it reads again.
 */
export class DeltaStream {
  readonly #kept: Subscriptions;
  readonly #limits: DeltaLimits;
  readonly #types: Map<string, TypeState>;
  #nonces = 0;

  /** Requests for other types than `typeUrls` are ignored. */
  constructor(typeUrls: readonly string[], kept: Subscriptions, limits: DeltaLimits = DEFAULT_LIMITS) {
    this.#kept = kept;
    this.#limits = limits;
    this.#types = new Map(typeUrls.map((typeUrl) => [typeUrl, newType()]));
  }

  /** Takes in a request. Undefined: of a type that we do not serve. */
  request(request: DeltaRequest): Effect | undefined {
    const type = this.#types.get(request.typeUrl);
    if (type === undefined) return undefined;
    if (!type.asked) type.owesFirst = true;
    type.asked = true;
    const rejections = this.#answer(type, request);
    for (const name of request.unsubscribe) this.#unsubscribe(type, name);
    const before = type.refused.size;
    for (const name of request.subscribe) this.#subscribe(request, type, name);
    return { rejections, refused: type.refused.size - before };
  }

  /** A subscription may mean something else now. */
  changed(subscription: Subscription): void {
    this.#types.get(subscription.view.typeUrl)?.dirty.add(subscription);
  }

  /** The next response to send, or undefined when the proxy has everything, or owes us answers. */
  next(): DeltaResponse | undefined {
    for (const [typeUrl, type] of this.#types) {
      if (type.outstanding.size >= this.#limits.maxOutstanding) continue;
      const response = this.#respond(typeUrl, type);
      if (response !== undefined) return response;
    }
    return undefined;
  }

  /** Ends every subscription. */
  end(): void {
    for (const type of this.#types.values()) {
      for (const subscription of type.subscriptions.values()) this.#kept.unsubscribe(subscription);
      type.subscriptions.clear();
      type.dirty.clear();
      type.outstanding.clear();
    }
  }

  /** A name that is subscribed to again gets its resource again: the proxy may have lost it. */
  #subscribe({ typeUrl, initialVersions }: DeltaRequest, type: TypeState, name: string): void {
    const { maxNameLength, maxSubscriptions } = this.#limits;
    const known = type.subscriptions.get(name);
    if (known !== undefined) {
      known.sent = undefined;
      type.dirty.add(known);
    } else if (name.length > maxNameLength || type.subscriptions.size >= maxSubscriptions) {
      this.#refuse(type, name);
    } else {
      const subscription = this.#kept.subscribe(typeUrl, name, initialVersions.get(name) || undefined);
      type.subscriptions.set(name, subscription);
      type.dirty.add(subscription);
    }
  }

  #refuse(type: TypeState, name: string): void {
    if (type.refused.has(name)) return;
    type.refused.add(name);
    type.refusedLength += name.length;
    const { maxRefused, maxRefusedLength } = this.#limits;
    if (type.refused.size <= maxRefused && type.refusedLength <= maxRefusedLength) return;
    throw new GrpcError(
      GrpcCode.resourceExhausted,
      'too many names that are too long, or above the limit of subscriptions, without reading the answers',
    );
  }

  #unsubscribe(type: TypeState, name: string): void {
    const subscription = type.subscriptions.get(name);
    if (subscription === undefined) return;
    type.subscriptions.delete(name);
    type.dirty.delete(subscription);
    this.#kept.unsubscribe(subscription);
  }

  #respond(typeUrl: string, type: TypeState): DeltaResponse | undefined {
    const { maxResources, maxBytes } = this.#limits;
    const resources: { head: Uint8Array; body: Uint8Array }[] = [];
    const removed = [...type.refused];
    const sent: Sent[] = [];
    type.refused.clear();
    type.refusedLength = 0;
    let bytes = 0;
    for (const subscription of type.dirty) {
      if (sent.length >= maxResources || bytes >= maxBytes) break;
      type.dirty.delete(subscription);
      const version = due(subscription);
      if (version === undefined) continue;
      sent.push(subscription.send(version));
      this.#kept.count(subscription);
      const { built, head, name } = subscription.view;
      if (built === undefined) removed.push(name);
      else resources.push({ head, body: built.body });
      bytes += built?.body.length ?? 0;
    }
    if (sent.length + removed.length === 0 && !type.owesFirst) return undefined;
    type.owesFirst = false;
    const nonce = String(++this.#nonces);
    type.outstanding.set(nonce, sent);
    return { typeUrl, nonce, resources, removed };
  }

  /** Reads the answer to a response; answers come in order, so earlier responses without one get none any more. */
  #answer(type: TypeState, { nonce, error }: DeltaRequest): Effect['rejections'] {
    const answered = type.outstanding.get(nonce);
    if (answered === undefined) return [];
    for (const earlier of type.outstanding.keys()) {
      type.outstanding.delete(earlier);
      if (earlier === nonce) break;
    }
    const rejections: { subscription: Subscription; rejected: Rejected }[] = [];
    for (const sent of answered) {
      const { subscription } = sent;
      const { name } = subscription.view;
      if (type.subscriptions.get(name) !== subscription) continue;
      const rejected = error === undefined ? undefined : rejectedBy(error, name);
      if (rejected === undefined) subscription.acknowledge(sent);
      else {
        subscription.reject(sent, rejected.reason);
        rejections.push({ subscription, rejected });
      }
      this.#kept.count(subscription);
    }
    return rejections;
  }
}

/** The version to send, undefined where the proxy has it; a resource that could not be made yet is not one that is absent. */
function due({ view: { built, unmade }, sent }: Subscription): string | undefined {
  if (built === undefined && unmade) return undefined;
  const version = built?.version ?? ABSENT;
  return version === sent ? undefined : version;
}

function newType(): TypeState {
  return {
    subscriptions: new Map(),
    dirty: new Set(),
    refused: new Set(),
    refusedLength: 0,
    owesFirst: false,
    asked: false,
    outstanding: new Map(),
  };
}

function rejectedBy(error: RejectedResponse, name: string): Rejected | undefined {
  return error.byName.size === 0 ? error.whole : error.byName.get(name);
}
