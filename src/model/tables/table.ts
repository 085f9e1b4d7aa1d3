import { isDeepStrictEqual } from 'node:util';
import { SetMap } from '../../base/index.js';
import type { Dirty, DirtyKey } from '../words/keys.js';

/** A table as everybody but its feeder sees it. */
export interface ReadonlyTable<T> {
  readonly size: number;
  get(key: string): T | undefined;
  has(key: string): boolean;
  keys(): IterableIterator<string>;
  values(): IterableIterator<T>;
}

/** What a table holds and how it is asked; `I` are the names of its indexes. */
export interface TableOptions<T, I extends string> {
  /** What a value is known by: one of the same key takes its place. */
  readonly key: (value: T) => string;
  /** For each index the keys under which a value is found. */
  readonly indexes: Readonly<Record<I, (value: T) => Iterable<string>>>;
  /** Whether two values mean the same to all who depend on them. Default: they are equal in depth. */
  readonly isSame?: (a: T, b: T) => boolean;
  /** What depends on the change from one value to another; undefined stands for there being none. */
  readonly dirty: (before: T | undefined, after: T | undefined) => Iterable<DirtyKey>;
}

/**
 * Values of one kind, found by their key and by each declared index. Values are taken over, not copied: do not change
 * them afterwards.
 */
export class Table<T, I extends string = never> implements ReadonlyTable<T> {
  readonly #options: TableOptions<T, I>;
  readonly #values = new Map<string, T>();
  /** Keys of values, by name of the index and what they are found by. */
  readonly #found: ReadonlyMap<I, SetMap<string, string>>;

  constructor(options: TableOptions<T, I>) {
    this.#options = options;
    this.#found = new Map(this.#names().map((name) => [name, new SetMap<string, string>()]));
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: string): T | undefined {
    return this.#values.get(key);
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  keys(): IterableIterator<string> {
    return this.#values.keys();
  }

  values(): IterableIterator<T> {
    return this.#values.values();
  }

  /** Keys of the values that an index finds, in the order in which they came. */
  keysBy(index: I, key: string): readonly string[] {
    return [...(this.#found.get(index)?.get(key) ?? [])];
  }

  /** The values that an index finds, in the order in which they came. */
  by(index: I, key: string): readonly T[] {
    return this.keysBy(index, key).flatMap((found) => this.#values.get(found) ?? []);
  }

  /** Of the values that an index finds the one that came last. */
  lastBy(index: I, key: string): T | undefined {
    const last = this.keysBy(index, key).at(-1);
    return last === undefined ? undefined : this.#values.get(last);
  }

  /** Returns what that made dirty: nothing where nothing changes that anybody depends on. */
  set(value: T): Dirty {
    const { key: keyOf, isSame = isDeepStrictEqual, dirty } = this.#options;
    const key = keyOf(value);
    const before = this.#values.get(key);
    const same = before !== undefined && isSame(before, value);
    if (!same && before !== undefined) this.#remove(key, before);
    this.#values.set(key, value);
    if (same) return NOTHING;
    for (const [name, found] of this.#found) {
      for (const by of this.#options.indexes[name](value)) found.add(by, key);
    }
    return new Set(dirty(before, value));
  }

  /** Returns what that made dirty. */
  delete(key: string): Dirty {
    const before = this.#values.get(key);
    if (before === undefined) return NOTHING;
    this.#remove(key, before);
    return new Set(this.#options.dirty(before, undefined));
  }

  #remove(key: string, value: T): void {
    this.#values.delete(key);
    for (const [name, found] of this.#found) {
      for (const by of this.#options.indexes[name](value)) found.remove(by, key);
    }
  }

  #names(): readonly I[] {
    return Object.keys(this.#options.indexes) as I[];
  }
}

const NOTHING: Dirty = new Set();

/** For values on each of which others depend, whatever it was before. */
export function eachOf<T>(
  dirtyAround: (value: T) => Iterable<DirtyKey>,
): (before: T | undefined, after: T | undefined) => Iterable<DirtyKey> {
  return (...values) => values.flatMap((value) => (value === undefined ? [] : [...dirtyAround(value)]));
}
