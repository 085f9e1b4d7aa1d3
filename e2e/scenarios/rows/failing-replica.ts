import { setTimeout as sleep } from 'node:timers/promises';
import { firstAnswer, offer, success } from '../load.js';
import { policy } from '../policy.js';
import { replicas, started, takeAll } from '../replicas.js';
import type { Scenario } from '../scenario.js';

const SERVICE = '10.96.0.5';
const RATE = 200;
/** What ejection has to take effect. */
const SETTLING_SECONDS = 5;

/** One replica fails, and at once, which makes it look quick. */
export const failingReplica: Scenario = {
  name: 'failing-replica',
  title: 'one replica of five fails every request',
  goal: 'caller success >= 99.9 % with breaker and retries; that replica gets < 1 % of the traffic after 5 s',
  play: async ({ world, app, seconds }) => {
    world.service('reviews', SERVICE);
    world.apply(await policy('ejection'));
    const [client, ...all] = await world.start(
      { name: 'client', app: 'web' },
      ...replicas('reviews', 5, () => ({ latencyMillis: 10, spread: 0.5 })),
    );
    await firstAnswer(client, SERVICE, app);
    await all[0]?.behave({ latencyMillis: 1, failPercent: 100, failStatus: 500 });
    const load = { to: SERVICE, rate: RATE, seconds: SETTLING_SECONDS + seconds(15, 3) };
    const running = offer(client, load, app);
    await sleep(SETTLING_SECONDS * 1000);
    await takeAll(all);
    const report = await running;
    const seen = await takeAll(all);
    const share = (seen[0]?.started ?? Number.NaN) / started(seen);
    return { requests: report.requests, success: success(report), share };
  },
  reached: (of) =>
    `success ${(of('success').median * 100).toFixed(2)} %, ` +
    `${(of('share').median * 100).toFixed(2)} % of the traffic after ${SETTLING_SECONDS} s`,
  met: (of) => of('success').median >= 0.999 && of('share').median < 0.01,
};
