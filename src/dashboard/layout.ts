import { layersOf, type Arrow } from './layers.js';

export type { Arrow } from './layers.js';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Top left corner of each box. */
  readonly boxes: ReadonlyMap<string, Point>;
  /** In the order of the arrows given; arrows of unknown boxes are left out. */
  readonly curves: readonly Curve[];
}

export interface Curve extends Arrow {
  /** The `d` of an SVG path. */
  readonly path: string;
  /** Where words about the arrow stand, their middle. */
  readonly label: Point;
}

/** Pixels. */
export const BOX = { width: 168, height: 56 } as const;
const GAP = { x: 160, y: 34 } as const;
/** Room that a passing arrow takes in a layer. */
const LANE = 14;
const MARGIN = { x: 8, y: 30 } as const;
/** Between arrows at a side of a box. */
const PORT = 14;
const SWEEPS = 8;
/** Words stand a little nearer to the caller than the middle, so that crossing arrows keep theirs apart. */
const LABEL_AT = 0.45;

/** What stands in a layer: a box, or the lane of an arrow that passes it. */
interface Slot {
  readonly id: string;
  readonly height: number;
  readonly before: Slot[];
  readonly after: Slot[];
  /** Middle of the slot, from the top. */
  y: number;
}

/**
 * A layered picture, callers left of what they call: layers by longest path, arrows over several layers in lanes of their
 * own, each layer sorted by the mean of its neighbours. The same input gives the same picture, so that it stands still.
 */
export function layoutOf(nodes: readonly string[], arrows: readonly Arrow[]): Layout {
  const known = new Set(nodes);
  const drawn = arrows.filter(({ from, to }) => known.has(from) && known.has(to));
  const layer = layersOf(nodes, drawn);
  const layers: Slot[][] = Array.from({ length: Math.max(0, ...layer.values()) + 1 }, () => []);
  const boxes = new Map([...nodes].sort().map((id) => [id, newSlot(id, BOX.height)]));
  for (const [id, slot] of boxes) layers[layer.get(id) ?? 0]?.push(slot);
  const routes = drawn.map((arrow) => routeOf(arrow, boxes, { layer, layers }));
  sortLayers(layers);
  const height = placeSlots(layers);
  const left = (id: string): number => MARGIN.x + (layer.get(id) ?? 0) * (BOX.width + GAP.x);
  const curves = routes.map(({ arrow, slots }) => curveOf(arrow, slots, [left(arrow.from), left(arrow.to)]));
  const places = [...boxes.values()].map((slot): [string, Point] => [
    slot.id,
    { x: left(slot.id), y: slot.y - BOX.height / 2 },
  ]);
  const width = 2 * MARGIN.x + layers.length * BOX.width + (layers.length - 1) * GAP.x;
  return { width, height, boxes: new Map(places), curves };
}

function newSlot(id: string, height: number): Slot {
  return { id, height, before: [], after: [], y: 0 };
}

interface Route {
  readonly arrow: Arrow;
  readonly slots: readonly Slot[];
}

interface Layering {
  readonly layer: ReadonlyMap<string, number>;
  readonly layers: Slot[][];
}

/** From box to box, with a lane in each layer between. Arrows that lead back or to themselves take no lane. */
function routeOf(arrow: Arrow, boxes: ReadonlyMap<string, Slot>, { layer, layers }: Layering): Route {
  const [first, last] = [layer.get(arrow.from) ?? 0, layer.get(arrow.to) ?? 0];
  const ends = [boxes.get(arrow.from), boxes.get(arrow.to)].filter((slot) => slot !== undefined);
  if (last <= first) return { arrow, slots: ends };
  const lanes = layers.slice(first + 1, last).map((slots) => {
    const lane = newSlot(JSON.stringify([arrow.from, arrow.to]), LANE);
    slots.push(lane);
    return lane;
  });
  const slots = [...ends.slice(0, 1), ...lanes, ...ends.slice(1)];
  slots.forEach((slot, index) => {
    const next = slots[index + 1];
    if (next === undefined) return;
    slot.after.push(next);
    next.before.push(slot);
  });
  return { arrow, slots };
}

function sortLayers(layers: Slot[][]): void {
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const forward = sweep % 2 === 0;
    const place = new Map(
      layers.flatMap((slots) => slots.map((slot, index): [Slot, number] => [slot, index])),
    );
    for (const slots of forward ? layers : [...layers].reverse()) {
      const wish = new Map(
        slots.map((slot) => [
          slot,
          meanPlace(forward ? slot.before : slot.after, place) ?? place.get(slot) ?? 0,
        ]),
      );
      slots.sort((a, b) => (wish.get(a) ?? 0) - (wish.get(b) ?? 0));
      slots.forEach((slot, index) => place.set(slot, index));
    }
  }
}

function meanPlace(neighbours: readonly Slot[], place: ReadonlyMap<Slot, number>): number | undefined {
  if (neighbours.length === 0) return undefined;
  return neighbours.reduce((sum, slot) => sum + (place.get(slot) ?? 0), 0) / neighbours.length;
}

/** Stacks each layer around the common middle. Returns the height of the picture. */
function placeSlots(layers: readonly Slot[][]): number {
  const heights = layers.map((slots) => slots.reduce((sum, slot) => sum + slot.height + GAP.y, -GAP.y));
  const height = Math.max(0, ...heights) + 2 * MARGIN.y;
  layers.forEach((slots, index) => {
    let y = (height - (heights[index] ?? 0)) / 2;
    for (const slot of slots) {
      slot.y = y + slot.height / 2;
      y += slot.height + GAP.y;
    }
  });
  return height;
}

/** `lefts`: where the boxes of the arrow's ends begin. */
function curveOf(arrow: Arrow, slots: readonly Slot[], lefts: readonly [number, number]): Curve {
  const [start, end] = [slots[0], slots.at(-1)];
  if (start === undefined || end === undefined) return { ...arrow, path: '', label: { x: 0, y: 0 } };
  if (arrow.from === arrow.to) return selfCurve(arrow, { x: lefts[0], y: start.y });
  if (!start.after.includes(slots[1] ?? end))
    return backCurve(arrow, { x: lefts[0], y: start.y }, { x: lefts[1], y: end.y });
  return forwardCurve(arrow, slots, lefts[0]);
}

function forwardCurve(arrow: Arrow, slots: readonly Slot[], left: number): Curve {
  const step = BOX.width + GAP.x;
  let path = '';
  let label: Point = { x: left, y: 0 };
  slots.slice(1).forEach((slot, index) => {
    const last = slots[index];
    if (last === undefined) return;
    const x = left + index * step;
    const from = { x: x + BOX.width, y: last.y + portOf(last, last.after, slot) };
    const to = { x: x + step, y: slot.y + portOf(slot, slot.before, last) };
    path += `${path === '' ? 'M' : 'L'}${spot(from)}${bend(from, to)}`;
    if (index === 0) label = onBend(from, to, LABEL_AT);
  });
  return { ...arrow, path, label };
}

/** How far from the middle of its side an arrow touches a box: side by side, in the order of their other ends. */
function portOf(slot: Slot, neighbours: readonly Slot[], neighbour: Slot): number {
  if (slot.height < BOX.height) return 0;
  const index = neighbours.toSorted((a, b) => a.y - b.y).indexOf(neighbour);
  const apart = Math.min(PORT, (BOX.height - PORT) / neighbours.length);
  return (index - (neighbours.length - 1) / 2) * apart;
}

/** Below the boxes and back to an earlier layer, or to another box of the same. */
function backCurve(arrow: Arrow, start: Point, end: Point): Curve {
  const from = { x: start.x + BOX.width / 2, y: start.y + BOX.height / 2 };
  const to = { x: end.x + BOX.width / 3, y: end.y + BOX.height / 2 };
  const depth = Math.max(from.y, to.y) + MARGIN.y;
  const path = `M${spot(from)}C${spot({ x: from.x, y: depth })} ${spot({ x: to.x, y: depth })} ${spot(to)}`;
  return { ...arrow, path, label: { x: (from.x + to.x) / 2, y: depth - 8 } };
}

function selfCurve(arrow: Arrow, { x, y }: Point): Curve {
  const top = y - BOX.height / 2;
  const [from, to] = [x + BOX.width * 0.62, x + BOX.width * 0.38];
  const path = `M${spot({ x: from, y: top })}C${spot({ x: from + 14, y: top - 26 })} ${spot({ x: to - 14, y: top - 26 })} ${spot({ x: to, y: top })}`;
  return { ...arrow, path, label: { x: x + BOX.width / 2, y: top - 18 } };
}

function bend(from: Point, to: Point): string {
  const middle = (from.x + to.x) / 2;
  return `C${spot({ x: middle, y: from.y })} ${spot({ x: middle, y: to.y })} ${spot(to)}`;
}

/** A point of that bend. */
function onBend(from: Point, to: Point, t: number): Point {
  const middle = (from.x + to.x) / 2;
  const [a, b, c, d] = [(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t ** 2, t ** 3];
  return { x: a * from.x + (b + c) * middle + d * to.x, y: (a + b) * from.y + (c + d) * to.y };
}

function spot({ x, y }: Point): string {
  return `${round(x)},${round(y)}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
