import {
  compileDestination,
  compileWorkload,
  destinationKey,
  dirtyWorkload,
  resolve,
  resolvedThrough,
  type DirtyKey,
  type Mesh,
  type PolicyRef,
} from '../model/index.js';
import {
  DESTINATION_TYPE_URL,
  WORKLOAD_TYPE_URL,
  encodeDestination,
  encodeWorkload,
  type EncodedResource,
} from './resources/index.js';
import { SetMap } from '../base/index.js';
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
  /** The objects whose words are in it. */
  readonly sources: readonly PolicyRef[];
}

/** Who asks: a pod sees its own workload only, and destinations from its namespace. */
export interface Consumer {
  readonly uid: string;
  readonly namespace: string;
}

/** What a name means to a consumer. */
export interface Found {
  readonly entry: Entry | undefined;
  /** Look again when one of these gets dirty, or the settings of the mesh, which are not among them. */
  readonly through: readonly DirtyKey[];
}

/** A resource that is kept for as long as somebody uses it; `built` is replaced when it is made again. */
export interface Entry {
  readonly id: string;
  /** Undefined where it never could be made. */
  built: Built | undefined;
  /** But for the settings of the mesh, on which all depend. */
  depends: readonly DirtyKey[];
  /** Something that it depends on has changed. */
  stale: boolean;
  /** The last try to make it failed. */
  unmade: boolean;
  users: number;
}

interface Made extends EncodedResource {
  readonly key: string;
  readonly sources: readonly PolicyRef[];
  readonly depends: readonly DirtyKey[];
}

/**
 * What proxies can ask for, made from the mesh when first asked and kept until something it depends on gets dirty.
 * Memory follows use: an entry goes with its last user.
 */
export class Snapshot {
  readonly #mesh: Mesh;
  readonly #failed: (id: string, thrown: unknown) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #dependents = new SetMap<DirtyKey, Entry>();

  /** `failed` hears once of each resource that cannot be made: a fault of ours, for which no proxy may lose what it has. */
  constructor(mesh: Mesh, failed: (id: string, thrown: unknown) => void) {
    this.#mesh = mesh;
    this.#failed = failed;
  }

  /** What a name of this type means to this consumer now. An entry that is taken into use must be given back. */
  find(typeUrl: string, name: string, consumer: Consumer): Found {
    if (typeUrl === DESTINATION_TYPE_URL) return this.#destination(name, consumer.namespace);
    const own = typeUrl === WORKLOAD_TYPE_URL && name === consumer.uid;
    return own ? this.#workload(name) : { entry: undefined, through: [] };
  }

  /** What depends on these is made again when it is asked for next. */
  invalidate(dirty: Iterable<DirtyKey>): void {
    for (const key of dirty) {
      for (const entry of key === 'mesh' ? this.#entries.values() : this.#dependents.get(key))
        entry.stale = true;
    }
  }

  use(entry: Entry): void {
    entry.users += 1;
  }

  release(entry: Entry): void {
    entry.users -= 1;
    if (entry.users === 0) this.#drop(entry);
  }

  /** Resources held. */
  get size(): number {
    return this.#entries.size;
  }

  #destination(name: string, namespace: string): Found {
    const mesh = this.#mesh;
    const ref = resolve(mesh, name);
    const through = resolvedThrough(mesh, name, ref);
    if (ref === undefined) return { entry: undefined, through };
    let key: string | undefined;
    try {
      key = destinationKey(mesh, ref, namespace);
    } catch (thrown) {
      const id = `${namespace} ${name}`;
      return { entry: this.#notMade(id, this.#entries.get(id), thrown), through };
    }
    if (key === undefined) return { entry: undefined, through };
    const entry = this.#keep(`destination/${key}`, () => {
      const compiled = compileDestination(mesh, ref, namespace);
      if (compiled === undefined) return undefined;
      const { sources, depends } = compiled;
      return { key: compiled.key, ...encodeDestination(compiled.destination), sources, depends };
    });
    return { entry, through: [...through, ...(entry?.depends ?? [])] };
  }

  #workload(uid: string): Found {
    const entry = this.#keep(`workload/${uid}`, () => {
      const compiled = compileWorkload(this.#mesh, uid);
      if (compiled === undefined) return undefined;
      const { sources, depends } = compiled;
      return { key: uid, ...encodeWorkload(compiled.workload), sources, depends };
    });
    return { entry, through: [dirtyWorkload(uid), ...(entry?.depends ?? [])] };
  }

  /** The entry, made again where it is stale. */
  #keep(id: string, make: () => Made | undefined): Entry | undefined {
    const known = this.#entries.get(id);
    if (known?.stale === false) return known;
    let made: Made | undefined;
    try {
      made = make();
    } catch (thrown) {
      return this.#notMade(id, known, thrown);
    }
    if (made === undefined) return undefined;
    const entry = known ?? this.#add(id);
    this.#depend(entry, made.depends);
    entry.stale = false;
    entry.unmade = false;
    entry.built = sameBuilt(entry.built, made) ?? builtOf(made);
    return entry;
  }

  #notMade(id: string, known: Entry | undefined, thrown: unknown): Entry {
    const entry = known ?? this.#add(id);
    if (!entry.unmade) this.#failed(id, thrown);
    entry.unmade = true;
    return entry;
  }

  #add(id: string): Entry {
    const entry: Entry = { id, built: undefined, depends: [], stale: true, unmade: false, users: 0 };
    this.#entries.set(id, entry);
    return entry;
  }

  #depend(entry: Entry, depends: readonly DirtyKey[]): void {
    for (const key of entry.depends) this.#dependents.remove(key, entry);
    entry.depends = depends.filter((key) => key !== 'mesh');
    for (const key of entry.depends) this.#dependents.add(key, entry);
  }

  #drop(entry: Entry): void {
    this.#depend(entry, []);
    if (this.#entries.get(entry.id) === entry) this.#entries.delete(entry.id);
  }
}

function builtOf({ key, typeUrl, version, bytes, sources }: Made): Built {
  return { key, typeUrl, version, body: encodeResourceBody(version, typeUrl, bytes), sources };
}

/** What was built before, where it says the same by the same sources; with the old bytes where only the sources differ. */
function sameBuilt(before: Built | undefined, made: Made): Built | undefined {
  if (before?.version !== made.version) return undefined;
  return sameSources(before.sources, made.sources) ? before : { ...before, sources: made.sources };
}

export function sameSources(before: readonly PolicyRef[], after: readonly PolicyRef[]): boolean {
  return (
    before.length === after.length &&
    before.every(({ uid, generation }, i) => uid === after[i]?.uid && generation === after[i].generation)
  );
}
