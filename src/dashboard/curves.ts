import type { Arrow } from './layers.js';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Curve extends Arrow {
  /** The `d` of an SVG path. */
  readonly path: string;
  /** Where words about the arrow stand, their middle. */
  readonly label: Point;
}

/** A curve whose words have no place yet. */
interface Draft extends Arrow {
  readonly path: string;
  /** Where they may stand, best first. */
  readonly spots: readonly Point[];
}

/** Pixels. */
export const BOX = { width: 168, height: 56 } as const;
export const GAP = { x: 160, y: 34 } as const;
/** Height of the room that a passing arrow takes in a layer. */
export const LANE = 14;
export const MARGIN = { x: 8, y: 30 } as const;
/** Between arrows at a side of a box. */
const PORT = 14;
/** Words stand a little nearer to the caller than the middle, or wherever they cover no others. */
const LABELS_AT = [0.45, 0.38, 0.52, 0.3, 0.6, 0.22, 0.68, 0.76] as const;
/** Size that words take, mostly. */
const LABEL = { width: 64, height: 22 } as const;

/** What stands in a layer: a box, or the lane of an arrow that passes it. */
export interface Slot {
  readonly id: string;
  readonly height: number;
  readonly before: Slot[];
  readonly after: Slot[];
  /** Middle of the slot, from the top. */
  y: number;
}

/** Gives the words of each curve the place where they cover least of others. */
export function withLabels(drafts: readonly Draft[]): Curve[] {
  const taken: Point[] = [];
  return drafts.map(({ spots, ...curve }) => {
    const covered = spots.map((place) => taken.reduce((sum, other) => sum + overlap(place, other), 0));
    const label = spots[covered.indexOf(Math.min(...covered))] ?? { x: 0, y: 0 };
    taken.push(label);
    return { ...curve, label };
  });
}

/** Square pixels that words at both places share. */
function overlap(a: Point, b: Point): number {
  return Math.max(0, LABEL.width - Math.abs(a.x - b.x)) * Math.max(0, LABEL.height - Math.abs(a.y - b.y));
}

/** Left sides of the boxes at an arrow's ends, and the bottom of everything in their layers and between. */
export interface Room {
  readonly from: number;
  readonly to: number;
  readonly floor: number;
}

/** The curve of an arrow whose slots have their places. */
export function curveOf(arrow: Arrow, slots: readonly Slot[], room: Room): Draft {
  const [start, end] = [slots[0], slots.at(-1)];
  if (start === undefined || end === undefined) return { ...arrow, path: '', spots: [] };
  if (arrow.from === arrow.to) return selfCurve(arrow, { x: room.from, y: start.y });
  if (start.after.includes(slots[1] ?? end)) return forwardCurve(arrow, slots, room.from);
  return backCurve(arrow, { x: room.from, y: start.y }, { x: room.to, y: end.y }, room.floor);
}

function forwardCurve(arrow: Arrow, slots: readonly Slot[], left: number): Draft {
  const step = BOX.width + GAP.x;
  let path = '';
  let spots: Point[] = [];
  slots.slice(1).forEach((slot, index) => {
    const last = slots[index];
    if (last === undefined) return;
    const x = left + index * step;
    const from = { x: x + BOX.width, y: last.y + portOf(last, last.after, slot) };
    const to = { x: x + step, y: slot.y + portOf(slot, slot.before, last) };
    path += `${path === '' ? 'M' : 'L'}${spot(from)}${bend(from, to)}`;
    if (index === 0) spots = LABELS_AT.map((t) => onBend(from, to, t));
  });
  return { ...arrow, path, spots };
}

/** How far from the middle of its side an arrow touches a box: side by side, in the order of their other ends. */
function portOf(slot: Slot, neighbours: readonly Slot[], neighbour: Slot): number {
  if (slot.height < BOX.height) return 0;
  const index = neighbours.toSorted((a, b) => a.y - b.y).indexOf(neighbour);
  const apart = Math.min(PORT, (BOX.height - PORT) / neighbours.length);
  return (index - (neighbours.length - 1) / 2) * apart;
}

/** Below all boxes and back to an earlier layer, or to another box of the same. */
function backCurve(arrow: Arrow, start: Point, end: Point, floor: number): Draft {
  const from = { x: start.x + BOX.width / 2, y: start.y + BOX.height / 2 };
  const to = { x: end.x + BOX.width / 3, y: end.y + BOX.height / 2 };
  // Halfway, the curve is three quarters of the way from its ends to its handles.
  const middle = floor + GAP.y / 2;
  const handle = (middle - (from.y + to.y) / 8) / 0.75;
  const path = `M${spot(from)}C${spot({ x: from.x, y: handle })} ${spot({ x: to.x, y: handle })} ${spot(to)}`;
  return { ...arrow, path, spots: [{ x: (from.x + to.x) / 2, y: middle }] };
}

function selfCurve(arrow: Arrow, { x, y }: Point): Draft {
  const top = y - BOX.height / 2;
  const [from, to] = [x + BOX.width * 0.62, x + BOX.width * 0.38];
  const path = `M${spot({ x: from, y: top })}C${spot({ x: from + 14, y: top - 26 })} ${spot({ x: to - 14, y: top - 26 })} ${spot({ x: to, y: top })}`;
  return { ...arrow, path, spots: [{ x: x + BOX.width / 2, y: top - 18 }] };
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
