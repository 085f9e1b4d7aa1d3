import { isDeepStrictEqual } from 'node:util';
import { backoffMs, MeshError, type Clock } from '../../base/index.js';
import { toJwtKeys, type Dirty, type JwtIssuer, type KeySet, type Mesh } from '../../model/index.js';
import type { KeySetPlace } from './fetch-key-set.js';

export interface KeeperOptions {
  readonly mesh: Mesh;
  readonly clock: Clock;
  /** Fetches a key set; throws why there is none. */
  readonly fetch: (place: KeySetPlace, signal: AbortSignal) => Promise<string>;
  /** What a process before this one fetched, by the uids of issuers. */
  readonly recorded: ReadonlyMap<string, KeySet>;
}

/** From one fetch to the next: new keys are known, and withdrawn ones gone, so soon. */
export const REFRESH_MS = 60_000;

/** After a failure; doubled with each up to the ordinary time. */
const RETRY_MS = 5_000;

/** Keys that could not be fetched again for so long are not believed any more. */
export const MAX_STALE_MS = 24 * 60 * 60_000;

/** While nothing else changes, what is recorded says how old keys are by this only. */
const AGE_STEP_MS = 60 * 60_000;

/** What is known of the keys of issuers: fetched again and again, and kept for a while where that fails. */
export class KeySetKeeper {
  readonly #options: KeeperOptions;
  readonly #sets: Map<string, KeySet>;
  readonly #freshAt = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  /** Where an issuer's keys were looked for last. */
  readonly #tried = new Map<string, string>();

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#sets = new Map(options.recorded);
  }

  /** Uids of the issuers whose keys are fetched. */
  uids(): readonly string[] {
    return this.#fetching(this.#options.mesh.jwtIssuers.values());
  }

  /** Of the issuers that a change is about those whose keys have not been looked for where they are now. */
  moved(dirty: Dirty): readonly string[] {
    const { mesh } = this.#options;
    const namespaces = [...dirty].flatMap((key) =>
      key.startsWith(ACCESS) ? [key.slice(ACCESS.length)] : [],
    );
    const issuers = namespaces.flatMap((namespace) => mesh.jwtIssuersIn(namespace));
    return this.#fetching(issuers).filter((uid) => this.#tried.get(uid) !== this.#placeText(uid));
  }

  /** Fetches the keys of one issuer. The answer is when to do so again, in milliseconds; undefined: not at all. */
  async refresh(uid: string, signal: AbortSignal): Promise<number | undefined> {
    const { mesh, fetch } = this.#options;
    const place = placeOf(mesh.jwtIssuers.get(uid));
    if (place === undefined) {
      this.#forget(uid);
      return undefined;
    }
    this.#tried.set(uid, this.#placeText(uid));
    const found = await fetch(place, signal).then(
      readKeys,
      (error: unknown) => MeshError.from(error).message,
    );
    if (signal.aborted) return undefined;
    if (typeof found === 'string') return this.#failed(uid, place.url, found);
    this.#fetched(uid, place.url, found);
    return backoffMs(0, { baseMs: REFRESH_MS, capMs: REFRESH_MS });
  }

  /** What should be recorded now. */
  toRecord(): ReadonlyMap<string, KeySet> {
    const fetching = new Set(this.uids());
    return new Map([...this.#sets].filter(([uid]) => fetching.has(uid)));
  }

  #fetched(uid: string, url: string, found: Found): void {
    const now = this.#options.clock.now();
    this.#failures.delete(uid);
    this.#freshAt.set(uid, now);
    const known = this.#sets.get(uid);
    const age = now - (known?.fetchedAt ?? Number.NEGATIVE_INFINITY);
    if (age >= AGE_STEP_MS || !isDeepStrictEqual(known, { ...found, url, fetchedAt: known?.fetchedAt }))
      this.#sets.set(uid, { ...found, url, fetchedAt: now });
  }

  #failed(uid: string, url: string, failure: string): number {
    const { clock } = this.#options;
    const count = this.#failures.get(uid) ?? 0;
    this.#failures.set(uid, count + 1);
    const known = this.#sets.get(uid);
    const fetchedAt = this.#freshAt.get(uid) ?? known?.fetchedAt;
    const isUsable = known?.url === url && fetchedAt !== undefined && clock.now() - fetchedAt < MAX_STALE_MS;
    const keys = isUsable && known.keys !== undefined ? { keys: known.keys, fetchedAt } : {};
    this.#sets.set(uid, { url, ...keys, failure });
    return backoffMs(count, { baseMs: RETRY_MS, capMs: REFRESH_MS });
  }

  #forget(uid: string): void {
    for (const map of [this.#sets, this.#freshAt, this.#failures, this.#tried]) map.delete(uid);
  }

  #fetching(issuers: Iterable<JwtIssuer>): readonly string[] {
    return [...issuers].flatMap(({ keys, ref }) => (keys.kind === 'url' ? [ref.uid] : []));
  }

  #placeText(uid: string): string {
    return JSON.stringify(placeOf(this.#options.mesh.jwtIssuers.get(uid)));
  }
}

const ACCESS = 'access/';

function placeOf(issuer: JwtIssuer | undefined): KeySetPlace | undefined {
  if (issuer?.keys.kind !== 'url') return undefined;
  const { url, caBundle } = issuer.keys;
  return { url, ...(caBundle === undefined ? {} : { caBundle }) };
}

/** A set without keys is the issuer's word, too: those of before are withdrawn. */
function readKeys(text: string): Found | string {
  const read = toJwtKeys(text);
  if (typeof read === 'string') return `what is there ${read}`;
  if (read.keys.length > 0) return { keys: read.keys };
  return { failure: ['what is there has no key that can be used', ...read.skipped].join('; ') };
}

type Found = Pick<KeySet, 'keys' | 'failure'>;
