import {
  compileDestination,
  compileWorkload,
  destinationKey,
  resolve,
  type DirtyKey,
  type Mesh,
  type PolicyRef,
} from '../model/index.js';
import {
  DESTINATION_TYPE_URL,
  WORKLOAD_TYPE_URL,
  encodeDestination,
  encodeWorkload,
} from './resources/index.js';
import { SetMap } from './set-map.js';
import { encodeResourceBody } from './wire-response.js';

/** A compiled and encoded resource. The same object serves every proxy that asks from the same point of view. */
export interface Built {
  /** `Destination.key`, or the uid of a workload. */
  readonly key: string;
  readonly typeUrl: string;
  /** Hash of the content. */
  readonly version: string;
  /** A `Resource` message in bytes, but for the name, which differs between subscriptions. */
  readonly body: Uint8Array;
  /** Policies whose words are in it. */
  readonly sources: readonly PolicyRef[];
}

/** Who asks: a pod sees its own workload only, and destinations from its namespace. */
export interface Consumer {
  readonly uid: string;
  readonly namespace: string;
}

interface Kept {
  readonly built: Built;
  readonly depends: readonly DirtyKey[];
}

/**
 * What proxies can ask for, made from the mesh when first asked and kept until something it depends on gets dirty.
 * Memory follows use: `retain` drops what nobody subscribes to any more.
 */
export class Snapshot {
  readonly #mesh: Mesh;
  readonly #kept = new Map<string, Kept>();
  readonly #dependents = new SetMap<DirtyKey, string>();

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
  }

  /** What a name of this type means to this consumer now; undefined: nothing that the mesh knows. */
  find(typeUrl: string, name: string, consumer: Consumer): Built | undefined {
    if (typeUrl === DESTINATION_TYPE_URL) return this.#destination(name, consumer.namespace);
    return typeUrl === WORKLOAD_TYPE_URL && name === consumer.uid ? this.#workload(name) : undefined;
  }

  /** Forgets what depends on these; the next question compiles it anew. */
  invalidate(dirty: Iterable<DirtyKey>): void {
    for (const key of dirty) {
      for (const id of [...this.#dependents.get(key)]) this.#drop(id);
    }
  }

  /** Drops everything but these. */
  retain(inUse: ReadonlySet<Built>): void {
    for (const [id, { built }] of this.#kept) {
      if (!inUse.has(built)) this.#drop(id);
    }
  }

  /** Resources held. */
  get size(): number {
    return this.#kept.size;
  }

  #destination(name: string, namespace: string): Built | undefined {
    const ref = resolve(this.#mesh, name);
    if (ref === undefined) return undefined;
    const key = destinationKey(this.#mesh, ref, namespace);
    if (key === undefined) return undefined;
    return this.#keep(`destination/${key}`, () => {
      const compiled = compileDestination(this.#mesh, ref, namespace);
      if (compiled === undefined) return undefined;
      const { typeUrl, bytes, version } = encodeDestination(compiled.destination);
      const body = encodeResourceBody(version, typeUrl, bytes);
      return { built: { key, typeUrl, version, body, sources: compiled.sources }, depends: compiled.depends };
    });
  }

  #workload(uid: string): Built | undefined {
    return this.#keep(`workload/${uid}`, () => {
      const compiled = compileWorkload(this.#mesh, uid);
      if (compiled === undefined) return undefined;
      const { typeUrl, bytes, version } = encodeWorkload(compiled.workload);
      const body = encodeResourceBody(version, typeUrl, bytes);
      return { built: { key: uid, typeUrl, version, body, sources: [] }, depends: compiled.depends };
    });
  }

  #keep(id: string, make: () => Kept | undefined): Built | undefined {
    const known = this.#kept.get(id);
    if (known !== undefined) return known.built;
    const made = make();
    if (made === undefined) return undefined;
    this.#kept.set(id, made);
    for (const key of made.depends) this.#dependents.add(key, id);
    return made.built;
  }

  #drop(id: string): void {
    for (const key of this.#kept.get(id)?.depends ?? []) this.#dependents.remove(key, id);
    this.#kept.delete(id);
  }
}
