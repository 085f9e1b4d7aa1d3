import { expect, test } from '@jest/globals';
import { inOrder, matches, pressed, type Column } from './table-order.js';

interface Row {
  readonly name: string;
  readonly rate?: number;
}

const NAME: Column<Row> = { key: 'name', title: 'Name', value: ({ name }) => name };
const RATE: Column<Row> = { key: 'rate', title: 'Rate', value: ({ rate }) => rate, largestFirst: true };
const rows: readonly Row[] = [{ name: 'web-10', rate: 2 }, { name: 'web-2' }, { name: 'api', rate: 10 }];

function names(column: string, descending: boolean): string[] {
  return inOrder(rows, [NAME, RATE], { column, descending }).map(({ name }) => name);
}

test('rows stand by a column, numbers within names by their value, and what has no value last both ways', () => {
  expect(names('name', false)).toEqual(['api', 'web-2', 'web-10']);
  expect(names('name', true)).toEqual(['web-10', 'web-2', 'api']);
  expect(names('rate', false)).toEqual(['web-10', 'api', 'web-2']);
  expect(names('rate', true)).toEqual(['api', 'web-10', 'web-2']);
  expect(names('no such column', true)).toEqual(['web-10', 'web-2', 'api']);
});

test('a press sorts by that column, another turns it round', () => {
  const byRate = pressed({ column: 'name', descending: false }, RATE);
  expect(byRate).toEqual({ column: 'rate', descending: true });
  expect(pressed(byRate, RATE)).toEqual({ column: 'rate', descending: false });
  expect(pressed(byRate, NAME)).toEqual({ column: 'name', descending: false });
});

test('a search finds rows that hold each of its words, in any case and any of their texts', () => {
  const texts = ['shop', 'reviews-v1-abc', 'Deployment/reviews'];
  for (const search of ['', '  ', 'reviews', 'SHOP v1', 'deployment  shop'])
    expect(matches(search, texts)).toBe(true);
  for (const search of ['web', 'shop web', 'shopreviews']) expect(matches(search, texts)).toBe(false);
});
