// Run by e2e/soak/run.sh in namespaces of its own. Prints the tables and writes results.json.
import { writeFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pause } from '../../src/base/index.js';
import { Plane } from '../chaos/plane/plane.js';
import { begin } from '../chaos/traffic.js';
import { makeNode } from '../netns/network.js';
import { firstAnswer } from '../scenarios/load.js';
import { World } from '../scenarios/world.js';
import { callee, churn, shortIssuers } from './churn.js';
import { judged, lostOf, table, watched } from './report.js';
import type { Sample } from './slope.js';
import { MEASURES, type Measure, type Subject, look, proxyOf, replicaOf } from './subject.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '120' },
    output: { type: 'string', default: 'table' },
    out: { type: 'string', default: '.' },
    proxy: { type: 'string', default: 'weft-proxy' },
    app: { type: 'string', default: 'testapp' },
    bundle: { type: 'string', default: 'weft.mjs' },
  },
});
const minutes = Number(values.minutes);
if (!(minutes > 0 && minutes <= 1440))
  throw new Error(`--minutes ${values.minutes}: give a number up to 1440`);

const SERVICE = '10.96.0.5';
const REPLICAS = 2;
const SAMPLE_MILLIS = 5000;
/** Streams and connections last five seconds, so that they come and go as pods do. */
const EXCHANGES = 50;
/** What follows the end of the watching: requests under way, and the last pod that goes. */
const SLACK_SECONDS = 120;

type Series = Readonly<Record<Measure, Sample[]>>;

/** Samples every subject until the signal aborts. */
async function watch(
  subjects: readonly Subject[],
  signal: AbortSignal,
): Promise<ReadonlyMap<Subject, Series>> {
  const all = new Map(
    subjects.map((subject): [Subject, Series] => [subject, { memory: [], descriptors: [], series: [] }]),
  );
  while (await pause(SAMPLE_MILLIS, signal))
    for (const [subject, series] of all) {
      // One that is late with its metrics is looked at again the next time.
      const seen = await look(subject).catch(unlessLate);
      if (seen === undefined) continue;
      for (const measure of MEASURES) series[measure].push({ at: Date.now(), value: seen[measure] });
    }
  return all;
}

function unlessLate(thrown: unknown): undefined {
  if (!(thrown instanceof Error) || thrown.name !== 'TimeoutError') throw thrown;
}

await makeNode();
const { proxy, app, bundle } = values;
const renew = await shortIssuers();
const world = await World.under({ proxy, app }, async (api, directory, signal) => {
  await renew(api);
  return Plane.start({ count: REPLICAS, bundle, proxy }, { api, directory, signal });
});
let failed = true;
try {
  world.service('reviews', SERVICE);
  const specs = ['steady', 'a1', 'a2'].map(callee);
  const [client, steady, ...callees] = await world.start({ name: 'client', app: 'web' }, ...specs);
  if (steady === undefined) throw new Error('no callee');
  await firstAnswer(client, SERVICE, app);
  const subjects = [proxyOf(client), proxyOf(steady), ...world.plane.replicas.map(replicaOf)];
  const ending = new AbortController();
  const ended = ending.signal;
  const started = Date.now();
  const seconds = minutes * 60 + SLACK_SECONDS;
  const running = begin(client, { to: SERVICE, seconds, exchanges: EXCHANGES }, world);
  const over = pause(minutes * 60_000, ended).then(() => ending.abort());
  // Whoever fails ends the others.
  const [series, changes] = await Promise.all([
    watch(subjects, ended),
    churn({ world, callees, renew }, ended),
    over,
  ]).catch((thrown: unknown) => {
    ending.abort();
    throw thrown;
  });
  const traffic = await running.stop();
  const all = [...series].flatMap(([{ name, bounds }, of]) =>
    MEASURES.map((measure) => watched({ subject: name, measure, bound: bounds[measure] }, of[measure])),
  );
  const lost = lostOf(traffic);
  const { restarts } = world.plane;
  const result = judged(all, lost, restarts);
  failed = result.met < result.of;
  const machine = { cpus: cpus().map(({ model }) => model), kernel: release() };
  const samples = Object.fromEntries([...series].map(([{ name }, of]) => [name, of]));
  const about = { date: new Date(started).toISOString(), machine, minutes, changes, restarts, ...result };
  const file = join(values.out, 'results.json');
  await writeFile(file, `${JSON.stringify({ ...about, watched: all, lost, samples })}\n`);
  if (values.output === 'json') console.log(JSON.stringify({ ...about, watched: all, lost }, null, 2));
  else {
    const changed = Object.entries(changes).map(([kind, count]) => `${count} ${kind}`);
    console.log(
      `${table(all, lost)}\nreplicas crashed ${restarts} times\n${minutes} minutes; changed: ${changed.join(', ')}. ${file}`,
    );
    console.log(`soak: ${result.met} of ${result.of} met, ${result.open} open`);
  }
} finally {
  await world.close(failed);
  await world.plane.close();
}
process.exit(failed ? 1 : 0); // the API server's listener holds the loop
