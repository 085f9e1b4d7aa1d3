interface PlacedNode {
  readonly path: string;
  readonly node: unknown;
}

/** What an object holds at a path such as `spec`, `routes[]`, `retries`: one node for each element of a list on the way. */
export function nodesAt(node: unknown, steps: readonly string[], path = ''): readonly PlacedNode[] {
  const [step, ...rest] = steps;
  if (step === undefined) return [{ path, node }];
  const name = step.replace('[]', '');
  const child = property(node, name);
  const childPath = path === '' ? name : `${path}.${name}`;
  if (!step.endsWith('[]')) return child === undefined ? [] : nodesAt(child, rest, childPath);
  if (!Array.isArray(child)) return [];
  return child.flatMap((item: unknown, index) => nodesAt(item, rest, `${childPath}[${index}]`));
}

/** An object's own property; undefined where there is none, or where it is no object. */
export function property(node: unknown, name: string): unknown {
  if (typeof node !== 'object' || node === null) return undefined;
  return Object.entries(node).find(([key]) => key === name)?.[1];
}
