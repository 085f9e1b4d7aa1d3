import { expect, test } from '@jest/globals';
import { systemClock, type Clock } from '../base/index.js';
import { Pace, type Paced } from './pace.js';

class Time implements Clock {
  at = 1_000_000;
  now = (): number => this.at;
  monotonic = (): number => this.at;
}

const mute: Paced = { tell: () => undefined };

async function msOf(work: Promise<void>): Promise<number> {
  const from = systemClock.monotonic();
  await work;
  return systemClock.monotonic() - from;
}

test('one proxy that never answers makes one look wait, and not those after it', async () => {
  const time = new Time();
  const pace = new Pace({ clock: time, patienceMs: 500 });
  pace.enter(mute);
  // Both begin together, and give up together.
  const [first, beside] = await Promise.all([msOf(pace.look()), msOf(pace.look())]);
  expect(Math.min(first, beside)).toBeGreaterThan(400);
  expect(await msOf(pace.look())).toBeLessThan(250);
  // Who looks after a while has all asked again, and a stream that has answered is not waited for.
  time.at += 60_000;
  const again = pace.look();
  pace.reported(mute, pace.ms);
  expect(await msOf(again)).toBeLessThan(250);
});
