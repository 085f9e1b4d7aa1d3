import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadReport } from '../../support/app.js';
import { firstAnswer, offer, success } from '../load.js';
import { policy } from '../policy.js';
import type { Pod } from '../pod.js';
import { replicas, started, takeAll } from '../replicas.js';
import type { Scenario } from '../scenario.js';

const SERVICE = '10.96.0.5';
const RATE = 150;
const ZONES = ['zone-a', 'zone-b', 'zone-c'] as const;
/** A zone alone carries the load well; half of it does not. */
const PER_ZONE = 4;
const BEHAVIOUR = { latencyMillis: 20, spread: 0.2, capacity: 2 } as const;
/** Until the endpoint controller has noticed that pods are gone. */
const NOTICE_MILLIS = 1000;

/** Part of the requests that pods of another zone than the caller's got. */
async function across(all: readonly Pod[]): Promise<number> {
  const seen = await takeAll(all);
  const own = all.flatMap((pod, index) => (pod.spec.zone === ZONES[0] ? (seen[index] ?? []) : []));
  return 1 - started(own) / started(seen);
}

/** Half of the caller's zone dies, and comes back. */
export const zoneLoss: Scenario = {
  name: 'zone-loss',
  title: 'one zone of three loses half its pods',
  goal: 'spill keeps success 100 % and p99 <= 1.5x; cross-zone traffic returns to ~0 after recovery',
  play: async ({ world, app, seconds }) => {
    world.service('reviews', SERVICE);
    world.apply(await policy('zone'));
    const zoned = (index: number): typeof BEHAVIOUR & { zone: string } => ({
      ...BEHAVIOUR,
      zone: ZONES[Math.floor(index / PER_ZONE)] ?? '',
    });
    const [client, ...all] = await world.start(
      { name: 'client', app: 'web', zone: ZONES[0] },
      ...replicas('reviews', ZONES.length * PER_ZONE, zoned),
    );
    const phase = async (lasts: number, pods: readonly Pod[]): Promise<[LoadReport, number]> => {
      await takeAll(pods);
      const report = await offer(client, { to: SERVICE, rate: RATE, seconds: lasts }, app);
      return [report, await across(pods)];
    };
    await firstAnswer(client, SERVICE, app);
    await phase(1, all);
    const [before, crossedBefore] = await phase(seconds(6, 3), all);
    const lost = all.slice(0, PER_ZONE / 2);
    const left = all.slice(PER_ZONE / 2);
    const during = phase(seconds(10, 4), left);
    await sleep(500);
    await Promise.all(lost.map((pod) => pod.crash()));
    await sleep(NOTICE_MILLIS);
    for (const pod of lost) pod.noticed();
    const [outage, crossedDuring] = await during;
    const fresh = replicas('reviews', PER_ZONE / 2, zoned).map((spec) => ({
      ...spec,
      name: `new-${spec.name}`,
    }));
    const whole = [...left, ...(await world.start(...fresh))];
    await phase(seconds(5, 2), whole); // what a recovery takes is not what is judged
    const [after, crossedAfter] = await phase(seconds(6, 3), whole);
    return {
      success: Math.min(...[before, outage, after].map(success)),
      'p99 before': before.millis.p99,
      'p99 outage': outage.millis.p99,
      times: outage.millis.p99 / before.millis.p99,
      'across before': crossedBefore,
      'across outage': crossedDuring,
      'across after': crossedAfter,
    };
  },
  reached: (of) =>
    `success ${(of('success').min * 100).toFixed(2)} % in the worst run, p99 ${of('times').median.toFixed(2)}x; across zones ` +
    ['before', 'outage', 'after']
      .map((when) => `${(of(`across ${when}`).median * 100).toFixed(1)} % ${when}`)
      .join(', '),
  met: (of) =>
    of('success').min === 1 &&
    of('times').median <= 1.5 &&
    of('across outage').median > 0 &&
    of('across after').median < 0.02,
};
