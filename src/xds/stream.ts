import type { Built } from './snapshot.js';
import type { DeltaRequest, RejectedResponse } from './request.js';
import type { DeltaResponse } from './wire-response.js';

export interface DeltaLimits {
  /** Subscriptions of one type. Names above it are answered as if the mesh did not know them. */
  readonly maxSubscriptions: number;
  /** Longest name that is looked up. */
  readonly maxNameLength: number;
  /** Responses without an answer; a proxy that never answers gets no more. */
  readonly maxOutstanding: number;
  /** Resources and bytes of one response, about: more follow in the next. */
  readonly maxResources: number;
  readonly maxBytes: number;
}

export const DEFAULT_LIMITS: DeltaLimits = {
  maxSubscriptions: 10_000,
  maxNameLength: 512,
  maxOutstanding: 32,
  maxResources: 500,
  maxBytes: 262_144,
};

/** What a request changed. */
export interface Effect {
  readonly typeUrl: string;
  readonly subscribed: readonly string[];
  readonly unsubscribed: readonly string[];
  /** Names whose verdict may have changed. */
  readonly judged: readonly string[];
  /** Whether it rejected a response that was sent. */
  readonly nack: boolean;
  /** Names refused because of a limit. */
  readonly refused: number;
}

/** What a proxy thinks of a version of a resource. */
export type Verdict =
  | { readonly kind: 'pending' }
  | { readonly kind: 'acknowledged' }
  | { readonly kind: 'rejected'; readonly reason: string };

/** The proxy was told that there is no such resource. No version is empty. */
const ABSENT = '';

interface Subscription {
  /** Version that the proxy was told last, or said it holds; undefined: it knows nothing. */
  told: string | undefined;
  acknowledged: string | undefined;
  rejected: { readonly version: string; readonly reason: string } | undefined;
}

interface TypeState {
  readonly subscriptions: Map<string, Subscription>;
  /** Names to look at when the next response is made, each once however often it changed. */
  readonly dirty: Set<string>;
  /** Refused names that the proxy has not been told about. */
  readonly refused: Set<string>;
  /** The proxy has asked for this type and got no response yet: it gets one, also where it knows everything already. */
  greet: 'never-asked' | 'due' | 'done';
  /** Nonce to names and versions of responses that the proxy has not answered. */
  readonly outstanding: Map<string, readonly (readonly [name: string, version: string])[]>;
}

/**
 * The protocol of one delta stream, without the stream: requests go in, `next` says what to send. It keeps names and
 * versions, never messages, so a proxy that does not read costs no memory, and gets the newest when it reads again.
 */
export class DeltaStream {
  readonly #find: (typeUrl: string, name: string) => Built | undefined;
  readonly #limits: DeltaLimits;
  readonly #types: Map<string, TypeState>;
  #nonces = 0;

  /** Requests for other types than `typeUrls` are ignored. `find` is asked whenever a response is made. */
  constructor(
    typeUrls: readonly string[],
    find: (typeUrl: string, name: string) => Built | undefined,
    limits: DeltaLimits = DEFAULT_LIMITS,
  ) {
    this.#find = find;
    this.#limits = limits;
    this.#types = new Map(typeUrls.map((typeUrl) => [typeUrl, newType()]));
  }

  /** Takes in a request. Undefined: of a type that we do not serve. */
  request(request: DeltaRequest): Effect | undefined {
    const type = this.#types.get(request.typeUrl);
    if (type === undefined) return undefined;
    if (type.greet === 'never-asked') type.greet = 'due';
    const judged = settle(type, request);
    const unsubscribed = request.unsubscribe.filter((name) => forget(type, name));
    const before = type.refused.size;
    const subscribed = request.subscribe.filter((name) =>
      this.#subscribe(type, name, request.initialVersions[name] || undefined),
    );
    const refused = type.refused.size - before;
    return {
      typeUrl: request.typeUrl,
      subscribed,
      unsubscribed,
      judged,
      nack: request.error !== undefined && judged.length > 0,
      refused,
    };
  }

  /** Says that a name may mean something else now. */
  changed(typeUrl: string, name: string): void {
    const type = this.#types.get(typeUrl);
    if (type?.subscriptions.has(name) === true) type.dirty.add(name);
  }

  /** The next response to send, or undefined when the proxy knows everything, or owes us answers. */
  next(): DeltaResponse | undefined {
    for (const [typeUrl, type] of this.#types) {
      if (type.outstanding.size >= this.#limits.maxOutstanding) continue;
      const response = this.#respond(typeUrl, type);
      if (response !== undefined) return response;
    }
    return undefined;
  }

  verdict(typeUrl: string, name: string, version: string): Verdict {
    const subscription = this.#types.get(typeUrl)?.subscriptions.get(name);
    if (subscription?.rejected?.version === version)
      return { kind: 'rejected', reason: subscription.rejected.reason };
    return subscription?.acknowledged === version ? { kind: 'acknowledged' } : { kind: 'pending' };
  }

  /** Every subscription, for whoever has to undo them at the end of the stream. */
  *subscriptions(): Generator<readonly [typeUrl: string, name: string]> {
    for (const [typeUrl, type] of this.#types) {
      for (const name of type.subscriptions.keys()) yield [typeUrl, name];
    }
  }

  /** True when the name is a new subscription. One that is repeated gets its resource again: the proxy may have lost it. */
  #subscribe(type: TypeState, name: string, held: string | undefined): boolean {
    const known = type.subscriptions.get(name);
    if (known !== undefined) known.told = undefined;
    else if (
      name.length > this.#limits.maxNameLength ||
      type.subscriptions.size >= this.#limits.maxSubscriptions
    ) {
      type.refused.add(name);
      return false;
    } else {
      type.subscriptions.set(name, { told: held, acknowledged: held, rejected: undefined });
    }
    type.dirty.add(name);
    return known === undefined;
  }

  #respond(typeUrl: string, type: TypeState): DeltaResponse | undefined {
    const resources: { name: string; body: Uint8Array }[] = [];
    const removed = [...type.refused];
    const sent: (readonly [string, string])[] = [];
    type.refused.clear();
    let bytes = 0;
    for (const name of type.dirty) {
      if (sent.length >= this.#limits.maxResources || bytes >= this.#limits.maxBytes) break;
      type.dirty.delete(name);
      const built = this.#find(typeUrl, name);
      const version = built?.version ?? ABSENT;
      if (!tell(type, name, version)) continue;
      sent.push([name, version]);
      if (built === undefined) {
        removed.push(name);
        continue;
      }
      resources.push({ name, body: built.body });
      bytes += built.body.length;
    }
    if (sent.length + removed.length === 0 && type.greet !== 'due') return undefined;
    type.greet = 'done';
    const nonce = String(++this.#nonces);
    type.outstanding.set(nonce, sent);
    return { typeUrl, nonce, resources, removed };
  }
}

/** False: the proxy knows this version of the name already. */
function tell(type: TypeState, name: string, version: string): boolean {
  const subscription = type.subscriptions.get(name);
  if (subscription === undefined || subscription.told === version) return false;
  subscription.told = version;
  return true;
}

function newType(): TypeState {
  return {
    subscriptions: new Map(),
    dirty: new Set(),
    refused: new Set(),
    greet: 'never-asked',
    outstanding: new Map(),
  };
}

function forget(type: TypeState, name: string): boolean {
  type.dirty.delete(name);
  return type.subscriptions.delete(name);
}

/** Reads the answer to a response; answers come in order, so earlier responses without one get none any more. */
function settle(type: TypeState, { nonce, error }: DeltaRequest): string[] {
  const answered = type.outstanding.get(nonce);
  if (answered === undefined) return [];
  for (const earlier of type.outstanding.keys()) {
    type.outstanding.delete(earlier);
    if (earlier === nonce) break;
  }
  const judged: string[] = [];
  for (const [name, version] of answered) {
    const subscription = type.subscriptions.get(name);
    if (subscription === undefined) continue;
    const reason = error === undefined ? undefined : reasonFor(error, name);
    if (reason === undefined) subscription.acknowledged = version;
    subscription.rejected = reason === undefined ? undefined : { version, reason };
    judged.push(name);
  }
  return judged;
}

function reasonFor(error: RejectedResponse, name: string): string | undefined {
  return error.reasons.size === 0 ? error.message : error.reasons.get(name);
}
