import { BOX, curveOf, GAP, LANE, MARGIN, withLabels, type Curve, type Point, type Slot } from './curves.js';
import { layersOf, type Arrow } from './layers.js';

export { BOX, type Curve, type Point } from './curves.js';
export type { Arrow } from './layers.js';

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Top left corner of each box. */
  readonly boxes: ReadonlyMap<string, Point>;
  /** In the order of the arrows given; arrows of unknown boxes are left out. */
  readonly curves: readonly Curve[];
}

/** Rounds of sorting, forward and back in turn. */
const SWEEPS = 8;

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
  const stacked = placeSlots(layers);
  const left = (id: string): number => MARGIN.x + (layer.get(id) ?? 0) * (BOX.width + GAP.x);
  const drafts = routes.map(({ arrow, slots }) => {
    const between = [layer.get(arrow.from) ?? 0, layer.get(arrow.to) ?? 0].sort((a, b) => a - b);
    const passed = layers.slice(between[0], (between[1] ?? 0) + 1).flat();
    const floor = Math.max(...passed.map((slot) => slot.y + slot.height / 2));
    return curveOf(arrow, slots, { from: left(arrow.from), to: left(arrow.to), floor });
  });
  const curves = withLabels(drafts);
  const deepest = Math.max(0, ...curves.map(({ label }) => label.y + MARGIN.x + LANE));
  const places = [...boxes.values()].map((slot): [string, Point] => [
    slot.id,
    { x: left(slot.id), y: slot.y - BOX.height / 2 },
  ]);
  const width = 2 * MARGIN.x + layers.length * BOX.width + (layers.length - 1) * GAP.x;
  return { width, height: Math.max(stacked, deepest), boxes: new Map(places), curves };
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
