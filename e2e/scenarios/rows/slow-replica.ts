import { firstAnswer, offer } from '../load.js';
import { policy } from '../policy.js';
import { replicas } from '../replicas.js';
import type { Scenario } from '../scenario.js';

const SERVICES = { plain: '10.96.0.5', ewma: '10.96.0.6' } as const;
const RATE = 200;
const LATENCY_MILLIS = 5;
const SLOWER = 20;

/** One replica answers, but late: the balancer should notice. */
export const slowReplica: Scenario = {
  name: 'slow-replica',
  title: 'one replica of five made 20 times slower',
  goal: 'p99 with peak EWMA at least 5 times better than with round robin',
  play: async ({ world, app, seconds }) => {
    for (const [name, address] of Object.entries(SERVICES)) world.service(name, address);
    world.apply(await policy('round-robin'));
    const behaviour = (index: number): { latencyMillis: number; spread: number } => ({
      latencyMillis: LATENCY_MILLIS * (index === 0 ? SLOWER : 1),
      spread: 0.2,
    });
    const [client] = await world.start(
      { name: 'client', app: 'web' },
      ...replicas('plain', 5, behaviour),
      ...replicas('ewma', 5, behaviour),
    );
    const p99: Record<string, number> = {};
    for (const [name, to] of Object.entries(SERVICES)) {
      await firstAnswer(client, to, app);
      const report = await offer(client, { to, rate: RATE, seconds: seconds(10, 4) }, app);
      if (report.failed > 0) throw new Error(`${name}: ${JSON.stringify(report.failures)}`);
      p99[name] = report.millis.p99;
    }
    const { plain = Number.NaN, ewma = Number.NaN } = p99;
    return { 'p99 round robin': plain, 'p99 peak EWMA': ewma, better: plain / ewma };
  },
  reached: (of) =>
    `${of('better').median.toFixed(1)} times: p99 ${of('p99 round robin').median.toFixed(0)} ms with round robin, ` +
    `${of('p99 peak EWMA').median.toFixed(1)} ms with peak EWMA`,
  met: (of) => of('better').median >= 5,
};
