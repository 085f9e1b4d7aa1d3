/** The same labels in one order, because a map is written in the order of its keys, and equal content is to have equal bytes. */
export function sorted(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
