import { expect, test } from '@jest/globals';
import { layersOf } from './layers.js';
import { BOX, layoutOf, type Arrow, type Layout } from './layout.js';

const SHOP = ['shopper', 'web', 'catalog', 'reviews'];
const CALLS = arrows('shopper>web', 'web>catalog', 'web>reviews');

function arrows(...written: string[]): Arrow[] {
  return written.map((arrow) => {
    const [from = '', to = ''] = arrow.split('>');
    return { from, to };
  });
}

function box(layout: Layout, id: string): { x: number; y: number } {
  return layout.boxes.get(id)!;
}

test('callers stand left of what they call, and what one caller calls stands above each other without touching', () => {
  const layout = layoutOf(SHOP, CALLS);
  expect(box(layout, 'shopper').x).toBeLessThan(box(layout, 'web').x);
  expect(box(layout, 'web').x).toBeLessThan(box(layout, 'catalog').x);
  expect(box(layout, 'catalog').x).toBe(box(layout, 'reviews').x);
  expect(Math.abs(box(layout, 'catalog').y - box(layout, 'reviews').y)).toBeGreaterThan(BOX.height);
});

test('every box and label lies inside the picture', () => {
  const layout = layoutOf(
    [...SHOP, 'idle'],
    [...CALLS, ...arrows('reviews>web', 'web>web', 'shopper>reviews')],
  );
  for (const { x, y } of layout.boxes.values()) {
    expect(Math.min(x, y)).toBeGreaterThanOrEqual(0);
    expect(x + BOX.width).toBeLessThanOrEqual(layout.width);
    expect(y + BOX.height).toBeLessThanOrEqual(layout.height);
  }
  for (const { label, path } of layout.curves) {
    expect(path).not.toMatch(/NaN|undefined/);
    expect(label.x).toBeGreaterThan(0);
    expect(label.x).toBeLessThan(layout.width);
    expect(label.y).toBeGreaterThan(0);
    expect(label.y).toBeLessThan(layout.height);
  }
});

test('the order in which nodes and arrows come does not change the picture', () => {
  const one = layoutOf(SHOP, CALLS);
  const other = layoutOf([...SHOP].reverse(), [...CALLS].reverse());
  expect(new Map([...other.boxes].sort())).toEqual(new Map([...one.boxes].sort()));
});

test('arrows do not cross where they need not', () => {
  const layout = layoutOf(['a', 'b', 'x', 'y'], arrows('a>y', 'b>x'));
  expect(Math.sign(box(layout, 'a').y - box(layout, 'b').y)).toBe(
    Math.sign(box(layout, 'y').y - box(layout, 'x').y),
  );
});

test('an arrow over two layers passes beside the box between', () => {
  const layout = layoutOf(['a', 'b', 'c'], arrows('a>b', 'b>c', 'a>c'));
  const over = layout.curves[2]!;
  const between = box(layout, 'b');
  const lane = Number(/L[\d.]+,([\d.]+)/.exec(over.path)![1]);
  expect(lane < between.y || lane > between.y + BOX.height).toBe(true);
});

test('a circle is laid out, one of its arrows leads back', () => {
  const layer = layersOf(['a', 'b', 'c'], arrows('a>b', 'b>c', 'c>a'));
  expect([...layer.values()].sort()).toEqual([0, 1, 2]);
  expect(layoutOf(['a', 'b', 'c'], arrows('a>b', 'b>c', 'c>a')).curves).toHaveLength(3);
});

test('a chain longer than a call stack does not overflow it', () => {
  const chain = Array.from({ length: 20_000 }, (_, i) => `n${i}`);
  const links = chain.slice(1).map((to, i) => ({ from: chain[i]!, to }));
  expect(layersOf(chain, links).get('n19999')).toBe(19_999);
});

test('nothing is a picture, too; an arrow to a box that is not there is left out', () => {
  expect(layoutOf([], arrows('a>b')).curves).toEqual([]);
});

test('an arrow that leads back passes below everything between', () => {
  const layout = layoutOf(['a', 'b', 'c', 'd'], arrows('a>b', 'b>c', 'a>d', 'c>a'));
  const back = layout.curves[3]!;
  const bottom = Math.max(...[...layout.boxes.values()].map(({ y }) => y + BOX.height));
  expect(back.label.y).toBeGreaterThan(bottom);
  expect(layout.height).toBeGreaterThan(back.label.y);
});

test('words of arrows that leave and meet at the same boxes do not cover each other', () => {
  const layout = layoutOf(['a', 'b', 'x', 'y'], arrows('a>x', 'a>y', 'b>x', 'b>y'));
  for (const [index, { label }] of layout.curves.entries()) {
    for (const { label: other } of layout.curves.slice(index + 1)) {
      expect(Math.abs(label.x - other.x) >= 60 || Math.abs(label.y - other.y) >= 18).toBe(true);
    }
  }
});
