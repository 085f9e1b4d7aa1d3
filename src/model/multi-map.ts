/** Many values for a key; an index. */
export class MultiMap<K, V> {
  private readonly entries = new Map<K, Set<V>>();

  add(key: K, value: V): void {
    const values = this.entries.get(key);
    if (values === undefined) this.entries.set(key, new Set([value]));
    else values.add(value);
  }

  remove(key: K, value: V): void {
    const values = this.entries.get(key);
    values?.delete(value);
    if (values?.size === 0) this.entries.delete(key);
  }

  get(key: K): V[] {
    return [...(this.entries.get(key) ?? [])];
  }
}
