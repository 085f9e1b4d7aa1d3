import { firstAnswer, offer } from '../load.js';
import { policy } from '../policy.js';
import { replicas, started, takeAll } from '../replicas.js';
import type { Scenario } from '../scenario.js';

const SERVICES = { plain: '10.96.0.5', hedged: '10.96.0.6' } as const;
const RATE = 200;

/** Any replica is slow now and then: no balancer can know when. */
export const slowResponses: Scenario = {
  name: 'slow-responses',
  title: '5 % of responses 10 times slower',
  goal: 'hedging halves p99 for <= 5 % more load',
  play: async ({ world, app, seconds }) => {
    for (const [name, address] of Object.entries(SERVICES)) world.service(name, address);
    world.apply(await policy('hedging'));
    const behaviour = { latencyMillis: 20, spread: 0.1, slowPercent: 5, slowFactor: 10 };
    const play = async (name: keyof typeof SERVICES): Promise<[p99: number, load: number]> => {
      const pods = await world.start(
        { name: `client-${name}`, app: 'web' },
        ...replicas(name, 5, () => behaviour),
      );
      const [client, ...targets] = pods;
      await firstAnswer(client, SERVICES[name], app);
      await takeAll(targets);
      const load = { to: SERVICES[name], rate: RATE, seconds: seconds(15, 5) };
      const report = await offer(client, load, app);
      if (report.failed > 0) throw new Error(`${name}: ${JSON.stringify(report.failures)}`);
      return [report.millis.p99, started(await takeAll(targets)) / report.requests];
    };
    const [plain] = await play('plain');
    const [hedged, load] = await play('hedged');
    return { 'p99 plain': plain, 'p99 hedged': hedged, part: hedged / plain, load };
  },
  reached: (of) =>
    `p99 ${of('p99 plain').median.toFixed(0)} to ${of('p99 hedged').median.toFixed(0)} ms ` +
    `for ${((of('load').median - 1) * 100).toFixed(1)} % more load`,
  met: (of) => of('part').median <= 0.5 && of('load').median <= 1.05,
};
