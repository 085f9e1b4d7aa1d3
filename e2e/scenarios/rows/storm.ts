import { firstAnswer, offer, success } from '../load.js';
import { policy } from '../policy.js';
import type { Scenario } from '../scenario.js';

const SERVICE = '10.96.0.5';
const RATE = 200;
/** What the budget allows in any case, a second. */
const FLOOR = 10;
const replica = (name: string) =>
  ({
    name,
    app: 'reviews',
    target: [],
    behaviour: { latencyMillis: 2, failPercent: 100, failStatus: 503 },
  }) as const;

/** Retries must not make an outage worse. */
export const storm: Scenario = {
  name: 'storm',
  title: 'every replica fails',
  goal: 'load on the service <= 1.2x plus the floor',
  play: async ({ world, app, seconds }) => {
    world.service('reviews', SERVICE);
    world.apply(await policy('storm'));
    const [client, ...replicas] = await world.start(
      { name: 'client', app: 'web' },
      ...['r1', 'r2', 'r3', 'r4', 'r5'].map(replica),
    );
    await firstAnswer(client, SERVICE, app);
    for (const each of replicas) await each.take();
    const lasts = seconds(15, 5);
    const report = await offer(client, { to: SERVICE, rate: RATE, seconds: lasts }, app);
    const seen = await Promise.all(replicas.map((each) => each.take()));
    const started = seen.reduce((sum, { started: one }) => sum + one, 0);
    const retried = seen.reduce((sum, { retried: one }) => sum + one, 0);
    const allowed = 1.2 * report.requests + FLOOR * report.seconds;
    return {
      requests: report.requests,
      started,
      retried,
      success: success(report),
      load: started / report.requests,
      ofAllowed: started / allowed,
    };
  },
  reached: (of) =>
    `${of('load').median.toFixed(2)}x, ${(of('ofAllowed').median * 100).toFixed(0)} % of what is allowed ` +
    `(${of('retried').median.toFixed(0)} retries for ${of('requests').median.toFixed(0)} failed requests)`,
  met: (of) => of('ofAllowed').median <= 1 && of('retried').min > 0 && of('success').max === 0,
};
