import { expect, test } from '@jest/globals';
import { sparkText } from './spark.js';

const trace = { rates: [0, 4, 2], failing: [0, 0, 0] };

test('a curve says in words how long it is, and that minutes may be a part of what happened', () => {
  const known = [false, true, true];
  expect(sparkText('requests of web', trace, { known, partial: [false, false, false] })).toBe(
    'requests of web: at most 4.0 per second in the last 2 minutes',
  );
  expect(sparkText('requests of web', trace, { known, partial: [false, true, false] })).toBe(
    'requests of web: at most 4.0 per second in the last 2 minutes; 1 of them may be incomplete',
  );
});
