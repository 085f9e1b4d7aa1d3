import { firstAnswer, oneAfterTheOther } from '../load.js';
import { replicas, started, takeAll } from '../replicas.js';
import type { Scenario } from '../scenario.js';

const SERVICES = { equal: '10.96.0.5', uneven: '10.96.0.6' } as const;
const CALLS = 1000;

/** Two replicas that nobody else asks: the balancer must not fall for a difference of chance. */
export const twoIdleReplicas: Scenario = {
  name: 'two-idle-replicas',
  title: 'two idle replicas, equal or one twice as slow, get calls one after the other',
  goal: 'of 1,000 calls each of two equal replicas gets at least 30 %, one that is twice as slow at least 10 %',
  play: async ({ world, app }) => {
    for (const [name, address] of Object.entries(SERVICES)) world.service(name, address);
    const [client, ...pods] = await world.start(
      { name: 'client', app: 'web' },
      ...replicas('equal', 2, () => ({ latencyMillis: 2, spread: 0.2 })),
      ...replicas('uneven', 2, (index) => ({ latencyMillis: index === 0 ? 4 : 2, spread: 0.2 })),
    );
    const shares: Record<string, readonly number[]> = {};
    for (const [name, to] of Object.entries(SERVICES)) {
      await firstAnswer(client, to, app);
      const targets = pods.filter(({ spec }) => spec.app === name);
      await takeAll(targets);
      const report = await oneAfterTheOther(client, { to, calls: CALLS }, app);
      if (report.failed > 0) throw new Error(`${name}: ${JSON.stringify(report.failures)}`);
      const seen = await takeAll(targets);
      shares[name] = seen.map((one) => one.started / started(seen));
    }
    const [slow = Number.NaN] = shares['uneven'] ?? [];
    return { least: Math.min(...(shares['equal'] ?? [Number.NaN])), slow };
  },
  reached: (of) =>
    `the one with fewer gets ${(of('least').min * 100).toFixed(0)} %, ` +
    `one twice as slow ${(of('slow').min * 100).toFixed(0)} % (worst runs)`,
  met: (of) => of('least').min >= 0.3 && of('slow').min >= 0.1,
};
