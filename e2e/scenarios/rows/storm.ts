import { firstAnswer, offer, success } from '../load.js';
import { policy } from '../policy.js';
import { replicas, started, takeAll } from '../replicas.js';
import type { Scenario } from '../scenario.js';

const SERVICE = '10.96.0.5';
const RATE = 200;
/** What the budget allows in any case, a second. */
const FLOOR = 10;
const FAILING = { latencyMillis: 2, failPercent: 100, failStatus: 503 } as const;

/** Retries must not make an outage worse. */
export const storm: Scenario = {
  name: 'storm',
  title: 'every replica fails',
  goal: 'load on the service <= 1.2x plus the floor',
  play: async ({ world, app, seconds }) => {
    world.service('reviews', SERVICE);
    world.apply(await policy('storm'));
    const [client, ...all] = await world.start(
      { name: 'client', app: 'web' },
      ...replicas('reviews', 5, () => FAILING),
    );
    await firstAnswer(client, SERVICE, app);
    await takeAll(all);
    const lasts = seconds(15, 5);
    const report = await offer(client, { to: SERVICE, rate: RATE, seconds: lasts }, app);
    const seen = await takeAll(all);
    const retried = seen.reduce((sum, one) => sum + one.retried, 0);
    const allowed = 1.2 * report.requests + FLOOR * report.seconds;
    return {
      requests: report.requests,
      started: started(seen),
      retried,
      success: success(report),
      load: started(seen) / report.requests,
      ofAllowed: started(seen) / allowed,
    };
  },
  reached: (of) =>
    `${of('load').median.toFixed(2)}x, ${(of('ofAllowed').median * 100).toFixed(0)} % of what is allowed ` +
    `(${of('retried').median.toFixed(0)} retries for ${of('requests').median.toFixed(0)} failed requests)`,
  met: (of) => of('ofAllowed').median <= 1 && of('retried').min > 0 && of('success').max === 0,
};
