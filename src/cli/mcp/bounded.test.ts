import { expect, test } from '@jest/globals';
import { bounded } from './bounded.js';

test('what is short stays as it is, but for what turns text around', () => {
  const answer = { rows: [{ name: 'a\u202eb\u0007' }, { rate: undefined }], ok: true, none: null };
  expect(bounded(answer)).toEqual({ rows: [{ name: 'ab' }, {}], ok: true, none: null });
});

test('of a long list the beginning is told, and how long it was', () => {
  const rows = Array.from({ length: 5_000 }, (_, at) => ({ at, text: 'x'.repeat(50) }));
  const told = bounded({ rows, notes: ['kept', 'too'] }, 10_000);
  const length = JSON.stringify(told).length;
  expect(length).toBeLessThanOrEqual(10_000);
  expect(length).toBeGreaterThan(5_000);
  const kept = told['rows'] as { readonly at: number }[];
  expect(kept[0]?.at).toBe(0);
  expect(told).toMatchObject({
    notes: ['kept', 'too'],
    truncated: [{ list: 'rows', kept: kept.length, of: 5_000 }],
  });
});

test('a long list inside an only item is cut where it stands', () => {
  const bindings = Array.from({ length: 500 }, (_, at) => `binding ${at} ${'y'.repeat(40)}`);
  const told = bounded({ answers: [{ asked: 'shop/reviews', bindings }] }, 5_000);
  expect(told).toMatchObject({
    answers: [{ asked: 'shop/reviews' }],
    truncated: [{ list: 'answers[0].bindings', of: 500 }],
  });
});

test('what has no list to cut and is too long is refused with what to do', () => {
  expect(() => bounded({ text: 'z'.repeat(6_000) }, 5_000)).toThrow(
    'the answer is too long to return; narrow the question',
  );
});
