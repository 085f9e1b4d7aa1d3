/** Sets what belongs to a key as the latest, and forgets what was set longest ago where there are more than `most`. */
export function setLatest<V>(map: Map<string, V>, key: string, value: V, most: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}
