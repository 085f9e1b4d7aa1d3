import { setTimeout as sleep } from 'node:timers/promises';
import { type Tally, firstAnswer, offer, sessions } from '../load.js';
import type { Pod, PodSpec } from '../pod.js';
import type { Scenario } from '../scenario.js';

const SERVICE = '10.96.0.5';
const RATE = 200;
const KINDS = ['unary', 'stream', 'tcp'] as const;
const NAMES = {
  unary: 'gRPC calls',
  stream: 'exchanges on gRPC streams',
  tcp: 'exchanges on TCP connections',
} as const;

function replica(name: string): PodSpec {
  return { name, app: 'reviews', target: [], behaviour: { latencyMillis: 10, spread: 1 } };
}

/** A deployment rolls: a new pod first, then an old one goes, one after the other; at the end one more goes. */
export const restart: Scenario = {
  name: 'restart',
  title: 'callee rolling restart and scale-down at 200 rps',
  goal: 'idempotent requests lost: 0; everything else counted by kind',
  play: async ({ world, app, seconds }) => {
    world.service('reviews', SERVICE);
    const [client, ...old] = await world.start(
      { name: 'client', app: 'web' },
      ...['a1', 'a2', 'a3'].map(replica),
    );
    await firstAnswer(client, SERVICE, app);
    const replicas = old.slice(0, seconds(3, 2));
    const lasts = 3 + replicas.length * 2;
    const running = offer(client, { to: SERVICE, rate: RATE, seconds: lasts }, app);
    const others = Promise.all(KINDS.map((kind) => sessions(client, SERVICE, { kind, seconds: lasts }, app)));
    await sleep(1000);
    const endings: Promise<void>[] = [];
    let newest: Pod | undefined;
    for (const [index, pod] of replicas.entries()) {
      [newest] = await world.start(replica(`b${index + 1}`));
      endings.push(pod.delete());
      await sleep(1000);
    }
    if (newest !== undefined) endings.push(newest.delete());
    await Promise.all(endings);
    const report = await running;
    const answered = Object.keys(report.versions).length;
    if (report.failed > 0) console.error('restart, http:', report.failures);
    const expected = old.length + replicas.length;
    return { requests: report.requests, lost: report.failed, answered, expected, ...counted(await others) };
  },
  reached: (of) =>
    `${of('lost').max} lost of ${of('requests').median.toFixed(0)} GETs in the worst run; broken: ` +
    KINDS.map(
      (kind) => `${of(`${kind} broken`).median} of ${of(`${kind} done`).median.toFixed(0)} ${NAMES[kind]}`,
    ).join(', '),
  met: (of) =>
    of('lost').max === 0 &&
    of('answered').min === of('expected').min &&
    KINDS.every((kind) => of(`${kind} done`).min > 0),
};

/** How many exchanges each kind made, and how many broke, by how. */
function counted(tallies: readonly Tally[]): Record<string, number> {
  const entries = tallies.flatMap(({ done, broken }, index) => {
    const kind = KINDS[index] ?? '';
    const ways = Object.entries(broken).map(([way, count]): [string, number] => [`${kind} ${way}`, count]);
    const sum = Object.values(broken).reduce((total, count) => total + count, 0);
    return [[`${kind} done`, done] as [string, number], [`${kind} broken`, sum] as [string, number], ...ways];
  });
  return Object.fromEntries(entries);
}
