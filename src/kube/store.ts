import type { KubeObject } from './objects.js';

/** `<namespace>/<name>`, or just the name for cluster-wide kinds. */
export type ObjectKey = string;

export function objectKey(object: {
  readonly metadata: { readonly namespace: string; readonly name: string };
}): ObjectKey {
  const { namespace, name } = object.metadata;
  return namespace === '' ? name : `${namespace}/${name}`;
}

export function splitKey(key: ObjectKey): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return slash < 0
    ? { namespace: '', name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

export type Change<T> =
  | { readonly type: 'set'; readonly key: ObjectKey; readonly object: T; readonly previous: T | undefined }
  | { readonly type: 'delete'; readonly key: ObjectKey; readonly previous: T };

/** The objects of one kind as last seen, and who wants to know about changes. */
export class Store<T extends KubeObject> {
  readonly #namespaces = new Map<string, Map<string, T>>();
  readonly #handlers = new Set<(change: Change<T>) => void>();
  readonly #report: (thrown: unknown, key: ObjectKey) => void;
  #size = 0;

  /** `report` is told what a handler threw, and at which object; the other handlers are told of the change all the same. */
  constructor(report: (thrown: unknown, key: ObjectKey) => void) {
    this.#report = report;
  }

  get size(): number {
    return this.#size;
  }

  get(key: ObjectKey): T | undefined {
    const { namespace, name } = splitKey(key);
    return this.#namespaces.get(namespace)?.get(name);
  }

  *values(): Generator<T, void, undefined> {
    for (const objects of this.#namespaces.values()) yield* objects.values();
  }

  inNamespace(namespace: string): IterableIterator<T> {
    return (this.#namespaces.get(namespace) ?? new Map<string, T>()).values();
  }

  /** Tells of each change from now on, after the store holds it. The answer stops it. */
  onChange(handler: (change: Change<T>) => void): () => void {
    this.#handlers.add(handler);
    return () => void this.#handlers.delete(handler);
  }

  /** The same version again is no change. */
  set(object: T): void {
    const key = objectKey(object);
    const { namespace, name } = object.metadata;
    let objects = this.#namespaces.get(namespace);
    if (objects === undefined) {
      objects = new Map<string, T>();
      this.#namespaces.set(namespace, objects);
    }
    const previous = objects.get(name);
    if (previous !== undefined && previous.metadata.resourceVersion === object.metadata.resourceVersion)
      return;
    objects.set(name, object);
    if (previous === undefined) this.#size += 1;
    this.#tell({ type: 'set', key, object, previous });
  }

  delete(key: ObjectKey): void {
    const { namespace, name } = splitKey(key);
    const objects = this.#namespaces.get(namespace);
    const previous = objects?.get(name);
    if (objects === undefined || previous === undefined) return;
    objects.delete(name);
    if (objects.size === 0) this.#namespaces.delete(namespace);
    this.#size -= 1;
    this.#tell({ type: 'delete', key, previous });
  }

  /** Takes a fresh list: what is neither in it nor in `kept` is gone. */
  replace(objects: readonly T[], kept: readonly ObjectKey[] = []): void {
    const fresh = new Set([...objects.map(objectKey), ...kept]);
    for (const old of [...this.values()].map(objectKey)) {
      if (!fresh.has(old)) this.delete(old);
    }
    for (const object of objects) this.set(object);
  }

  #tell(change: Change<T>): void {
    for (const handler of this.#handlers) {
      try {
        handler(change);
      } catch (thrown) {
        this.#report(thrown, change.key);
      }
    }
  }
}

/** A store as those see it who do not fill it; of any kind where that does not matter. */
export type ReadonlyStore<T extends KubeObject> = Pick<
  Store<T>,
  'size' | 'get' | 'values' | 'inNamespace' | 'onChange'
>;
