import type { LoadReport } from '../../support/app.js';
import { firstAnswer, offer } from '../load.js';
import { policy } from '../policy.js';
import { replicas } from '../replicas.js';
import type { Scenario } from '../scenario.js';

const SERVICES = { unlimited: '10.96.0.5', limited: '10.96.0.6' } as const;
/** Two replicas that work on five requests at a time, 50 ms each. */
const REPLICAS = 2;
const BEHAVIOUR = { latencyMillis: 50, spread: 0.1, capacity: 5 } as const;
const CAPACITY = (REPLICAS * BEHAVIOUR.capacity * 1000) / BEHAVIOUR.latencyMillis;
/** Nobody waits longer for an answer. */
const GIVE_UP_MILLIS = 1000;

/** Successful answers a second, as a part of what the Service can give. */
function goodput({ requests, failed, seconds }: LoadReport): number {
  return (requests - failed) / seconds / CAPACITY;
}

/** More comes than can be done: who takes it all does nothing in time. */
export const overload: Scenario = {
  name: 'overload',
  title: 'twice the capacity offered',
  goal: 'adaptive concurrency keeps goodput >= 90 % of capacity and p99 <= 3x unloaded; off: the collapse',
  play: async ({ world, app, seconds }) => {
    for (const [name, address] of Object.entries(SERVICES)) world.service(name, address);
    world.apply(await policy('adaptive'));
    const [client] = await world.start(
      { name: 'client', app: 'web' },
      ...Object.keys(SERVICES).flatMap((name) => replicas(name, REPLICAS, () => BEHAVIOUR)),
    );
    const offered = async (to: string, part: number, lasts: number): Promise<LoadReport> =>
      offer(client, { to, rate: CAPACITY * part, seconds: lasts, giveUpMillis: GIVE_UP_MILLIS }, app);
    for (const to of Object.values(SERVICES)) await firstAnswer(client, to, app);
    const unloaded = await offered(SERVICES.limited, 0.25, seconds(5, 3));
    // The limit is found under load; what it was before is not what is judged.
    await offered(SERVICES.limited, 2, seconds(10, 3));
    const on = await offered(SERVICES.limited, 2, seconds(15, 4));
    const off = await offered(SERVICES.unlimited, 2, seconds(15, 4));
    return {
      goodput: goodput(on),
      p99: on.okMillis.p99,
      unloaded: unloaded.okMillis.p99,
      times: on.okMillis.p99 / unloaded.okMillis.p99,
      'goodput, off': goodput(off),
    };
  },
  reached: (of) =>
    `goodput ${(of('goodput').median * 100).toFixed(0)} %, p99 ${of('p99').median.toFixed(0)} ms, ` +
    `${of('times').median.toFixed(1)}x unloaded; off: goodput ${(of('goodput, off').median * 100).toFixed(0)} %`,
  met: (of) =>
    of('goodput').median >= 0.9 &&
    of('times').median <= 3 &&
    of('goodput, off').median < of('goodput').median / 2,
};
