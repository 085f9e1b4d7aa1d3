import { expect, test } from '@jest/globals';
import type { Cell } from './cell.js';
import { adds, addsPercent, keysWithin, memoryAdded, ratio, shareOfEnvoys, withinNoise } from './goals.js';
import { type Row, type Sample, noise, rowOf } from './row.js';

function aCell(cpu: number, fields: Partial<Cell> = {}): Cell {
  return { cpu, rps: 1000, rss: 5, disturbed: false, logged: 0, ...fields };
}

/** A proxy that needs `off` and `on` microseconds in each round. */
function rounds(
  subject: Sample['subject'],
  pairs: readonly (readonly [off: number, on: number])[],
): Sample[] {
  return pairs.map(([off, on], round) => ({
    feature: 'limit',
    subject,
    round,
    off: aCell(off),
    on: aCell(on),
  }));
}

function row(
  weft: readonly (readonly [number, number])[],
  envoy: readonly (readonly [number, number])[],
): Row {
  const made = rowOf('limit', [...rounds('weft', weft), ...rounds('envoy', envoy)]);
  if (made === undefined) throw new Error('there is no row');
  return made;
}

test('what is added is the median of differences within a round, not the difference of medians', () => {
  const { weft } = row(
    [
      [10, 11],
      [30, 31],
      [20, 26],
    ],
    [],
  );
  expect(weft.added).toEqual({ median: 1, min: 1, max: 6, samples: 3 });
  expect(adds(1).met({ weft })).toBe(true);
  expect(adds(0.9).met({ weft })).toBe(false);
  expect(addsPercent(10.1).met({ weft })).toBe(true);
  expect(addsPercent(9).met({ weft })).toBe(false);
});

test('a share is of what Envoy adds; who does not measure Envoy has met none', () => {
  const quarter = row([[10, 11]], [[40, 44]]);
  expect(shareOfEnvoys(0.25).met(quarter)).toBe(true);
  expect(shareOfEnvoys(0.2).met(quarter)).toBe(false);
  expect(ratio(quarter.weft, quarter.envoy)).toBe('0.25');
  expect(shareOfEnvoys(0.25).met({ weft: quarter.weft })).toBe(false);
  expect(ratio(quarter.weft, undefined)).toBe('-');
});

test('noise is what is neither of a row nor of a round', () => {
  const sample = (feature: string, round: number, cpu: number): Sample => ({
    feature,
    subject: 'weft',
    round,
    off: aCell(cpu),
    on: aCell(cpu),
  });
  const steady = [sample('a', 0, 10), sample('b', 0, 12), sample('a', 1, 20), sample('b', 1, 22)];
  expect(noise(steady, 2)).toBeCloseTo(0);
  const restless = [sample('a', 0, 10), sample('b', 0, 12), sample('a', 1, 20), sample('b', 1, 20)];
  expect(noise(restless, 2)).toBeGreaterThan(1);
  expect(noise([sample('a', 0, 10), sample('a', 1, 11)], 2)).toBeGreaterThan(0.5);
  expect(noise([sample('a', 0, 10)], 1)).toBe(0);
});

test('what differs by chance as much is within noise, unless the noise is so large that it hides everything', () => {
  const quiet = row(
    [
      [10, 10.1],
      [10.2, 10.3],
      [10, 10],
    ],
    [],
  );
  expect(withinNoise().met(quiet)).toBe(true);
  const loud = row(
    [
      [10, 14],
      [20, 24],
      [15, 19],
    ],
    [],
  );
  expect(loud.weft.noise).toBeGreaterThan(4);
  expect(withinNoise().met(loud)).toBe(false);
});

test('memory is what is added, of keys beside the proxy without them', () => {
  const sample: Sample = {
    feature: 'keys',
    subject: 'weft',
    round: 0,
    off: aCell(10, { rss: 5 }),
    on: aCell(10, { rss: 5.9, keys: 5.5 }),
  };
  const made = rowOf('keys', [sample]);
  if (made === undefined) throw new Error('there is no row');
  expect(memoryAdded(1).met(made)).toBe(true);
  expect(memoryAdded(0.8).met(made)).toBe(false);
  expect(keysWithin(0.5).met(made)).toBe(true);
  expect(keysWithin(0.4).met(made)).toBe(false);
});
