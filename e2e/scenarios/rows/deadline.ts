import { firstAnswer, offer, success } from '../load.js';
import { PORTS } from '../objects.js';
import { policy } from '../policy.js';
import { takeAll } from '../replicas.js';
import type { Figures, Scenario, Stage } from '../scenario.js';

const SERVICES = { first: '10.96.0.11', second: '10.96.0.12', third: '10.96.0.13' } as const;
const RATE = 100;
/** As in the policy. */
const GIVE_UP_MILLIS = 50;
/** What a request may take from a proxy's last look at the clock to the application's first, beside what the machine stalls. */
const GRACE_MILLIS = 10;
/** A hop takes anything up to 60 ms, so some requests reach the third before the deadline and some after it. */
const HOP = { latencyMillis: 30, spread: 1 } as const;

/** Work for a caller that has given up is not begun. */
export const deadline: Scenario = {
  name: 'deadline',
  title: 'caller gives up after 50 ms, three hops',
  goal: 'no request starts at hop three after the deadline; without the header forwarded it starts afresh, as documented',
  play: async (stage) => {
    const forwarded = await through(stage, ['-forward-deadline'], 'f');
    const dropped = await through(stage, [], 'd');
    return {
      success: forwarded.success,
      third: forwarded.started,
      late: forwarded.late,
      latestMillis: forwarded.latestMillis,
      stallMillis: forwarded.stall,
      excessMillis: forwarded.latestMillis - forwarded.stall,
      'third, not forwarded': dropped.started,
      'late, not forwarded': dropped.late,
      'latestMillis, not forwarded': dropped.latestMillis,
    };
  },
  reached: (of) =>
    `${of('late').max} late of ${of('third').median.toFixed(0)} at hop three, the latest ` +
    `${of('latestMillis').max.toFixed(1)} ms after the deadline, of which the machine stalled ${of('stallMillis').max.toFixed(1)} ms; not forwarded: ` +
    `${of('late, not forwarded').median.toFixed(0)} late of ${of('third, not forwarded').median.toFixed(0)}`,
  met: (of) =>
    of('excessMillis').max < GRACE_MILLIS && of('third').min > 0 && of('late, not forwarded').min > 0,
};

type Through = Figures & Record<'success' | 'started' | 'late' | 'latestMillis' | 'stall', number>;

/** Offers requests to a chain of three; `suffix` tells the pods of one chain from those of another. */
async function through(
  { world, app, seconds }: Stage,
  flags: readonly string[],
  suffix: string,
): Promise<Through> {
  for (const [name, address] of Object.entries(SERVICES)) world.service(name, address);
  world.apply(await policy('deadline'));
  const calls = (to: string): string[] => ['-next', `http://${to}:${PORTS.http}/`, ...flags];
  const [client, first, second, third] = await world.start(
    { name: `client-${suffix}`, app: 'web' },
    { name: `first-${suffix}`, app: 'first', target: calls(SERVICES.second), behaviour: HOP },
    { name: `second-${suffix}`, app: 'second', target: calls(SERVICES.third), behaviour: HOP },
    { name: `third-${suffix}`, app: 'third', target: [] },
  );
  await firstAnswer(client, SERVICES.first, app);
  await takeAll([first, second, third]);
  const load = { to: SERVICES.first, rate: RATE, seconds: seconds(10, 3), giveUpMillis: GIVE_UP_MILLIS };
  const report = await offer(client, load, app);
  const [a, b, { started, late, latestMillis, stallMillis }] = await takeAll([first, second, third]);
  // What is left is told from hop to hop and not by the clock, so what each hop stalls adds up.
  const stall = a.stallMillis + b.stallMillis + stallMillis;
  for (const pod of [client, first, second, third]) await pod.delete();
  return { success: success(report), started, late, latestMillis, stall };
}
