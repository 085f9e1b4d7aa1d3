/** An arrow between boxes, by id. */
export interface Arrow {
  readonly from: string;
  readonly to: string;
}

/**
 * The layer of each node, counted from the callers nobody calls: every arrow leads to a later layer, but for those that
 * close a circle.
 */
export function layersOf(nodes: readonly string[], arrows: readonly Arrow[]): Map<string, number> {
  const next = successors(nodes, arrows);
  const order = topological(nodes, next, arrows);
  const position = new Map(order.map((node, index) => [node, index]));
  const layer = new Map(nodes.map((node) => [node, 0]));
  for (const node of order) {
    for (const to of next.get(node) ?? []) {
      if ((position.get(to) ?? 0) <= (position.get(node) ?? 0)) continue;
      layer.set(to, Math.max(layer.get(to) ?? 0, (layer.get(node) ?? 0) + 1));
    }
  }
  return layer;
}

function successors(nodes: readonly string[], arrows: readonly Arrow[]): Map<string, string[]> {
  const next = new Map<string, string[]>(nodes.map((node) => [node, []]));
  for (const { from, to } of arrows) if (from !== to && next.has(to)) next.get(from)?.push(to);
  for (const list of next.values()) list.sort();
  return next;
}

/** Reverse postorder of a depth-first walk that begins at nodes nobody calls; in a circle, at the first by name. */
function topological(
  nodes: readonly string[],
  next: ReadonlyMap<string, string[]>,
  arrows: readonly Arrow[],
): string[] {
  const called = new Set(arrows.filter(({ from, to }) => from !== to).map(({ to }) => to));
  const sorted = [...nodes].sort();
  const starts = [
    ...sorted.filter((node) => !called.has(node)),
    ...sorted.filter((node) => called.has(node)),
  ];
  const seen = new Set<string>();
  const postorder: string[] = [];
  for (const start of starts) walk(start, next, seen, postorder);
  return postorder.reverse();
}

/** With a stack of its own: a chain of services may be longer than the engine's. */
function walk(
  start: string,
  next: ReadonlyMap<string, string[]>,
  seen: Set<string>,
  postorder: string[],
): void {
  if (seen.has(start)) return;
  seen.add(start);
  const stack = [{ node: start, rest: [...(next.get(start) ?? [])] }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const to = top.rest.shift();
    if (to === undefined) {
      postorder.push(top.node);
      stack.pop();
    } else if (!seen.has(to)) {
      seen.add(to);
      stack.push({ node: to, rest: [...(next.get(to) ?? [])] });
    }
  }
}
