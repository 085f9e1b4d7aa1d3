// Run by bench/run.sh in namespaces of its own. Prints tables and writes results.json.
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeNode } from '../e2e/netns/network.js';
import { GIVEN } from './given.js';
import { machine } from './machine.js';
import { envoy, haproxy } from './peers.js';
import { plot } from './plot.js';
import { layOutBodies, round } from './round.js';
import { type Results, summaries, table, verdict } from './report.js';
import { ROWS } from './rows.js';
import type { Entrant } from './subject.js';
import { type Choices, weft } from './weft.js';
import type { Figures } from './work.js';

const { values } = parseArgs({
  options: {
    ...GIVEN,
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: 'direct,weft,envoy,haproxy' },
  },
});
const rounds = values.smoke ? 1 : Number(values.rounds);
const seconds = values.smoke ? 1 : Number(values.seconds);

async function main(): Promise<void> {
  const begin = Date.now();
  const ending = new AbortController();
  const directory = await mkdtemp('/run/weft-bench-');
  try {
    await chmod(directory, 0o755);
    await layOutBodies(directory);
    await makeNode();
    await mkdir(join(directory, 'peers', 'plain'), { recursive: true });
    const peers = join(directory, 'peers');
    const all: Readonly<Record<string, () => Promise<Entrant>>> = {
      direct: () => Promise.resolve({ usual: 'direct', variants: new Map() }),
      weft: () => ourselves(directory, ending.signal),
      envoy: async () => ({
        usual: await envoy(values.envoy, peers),
        plain: await envoy(values.envoy, join(peers, 'plain'), true),
        variants: new Map(),
      }),
      haproxy: async () => ({
        usual: await haproxy(peers),
        plain: await haproxy(join(peers, 'plain'), true),
        variants: new Map(),
      }),
    };
    const names = values.only.split(',');
    const entrants = new Map<string, Entrant>();
    for (const name of names) {
      const make = all[name];
      if (make === undefined) throw new Error(`no subject ${name}; there are ${Object.keys(all).join(', ')}`);
      entrants.set(name, await make());
    }
    const results = await measure(entrants, directory);
    if (values.smoke) checkComplete(results);
    await report(results, (Date.now() - begin) / 1000);
  } finally {
    ending.abort();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Weft as it ships, with one proxy only, and with features switched on one by one and together. */
async function ourselves(directory: string, signal: AbortSignal): Promise<Entrant> {
  const make = (name: string, choices: Choices = {}) =>
    weft(values.weft, join(directory, name), signal, choices);
  const accessLog = { settings: { WEFT_ACCESS_LOG: 'enabled' } };
  const variants = new Map([
    ['10 routes', await make('routes', { routes: 10 })],
    ['retries', await make('retries', { retries: true })],
    ['access log', await make('log', accessLog)],
    ['all three', await make('all', { routes: 10, retries: true, ...accessLog })],
    ['two workers', await make('workers', { settings: { WEFT_WORKERS: '2' } })],
  ]);
  return { usual: await make('usual'), plain: await make('plain', { plain: true }), variants };
}

/** Rounds with a rotated order, so that neither a place in it nor a slow minute favours anyone. */
async function measure(entrants: ReadonlyMap<string, Entrant>, directory: string): Promise<Results> {
  const names = [...entrants.keys()];
  const results = new Map(names.map((name): [string, Figures[]] => [name, []]));
  const effort = { directory, seconds, load: values.load, grpcServer: values.testapp };
  for (let index = 0; index < rounds; index++) {
    const rotation = index % names.length;
    for (const name of [...names.slice(rotation), ...names.slice(0, rotation)]) {
      const entrant = entrants.get(name);
      if (entrant === undefined) continue;
      const figures = await round(entrant, effort);
      if (name === 'weft') figures.set('binary', (await stat(values.weft)).size / 1e6);
      results.get(name)?.push(figures);
      console.error(`round ${index + 1} of ${rounds}: ${name} done, load ${loadavg()[0]?.toFixed(1)}`);
    }
  }
  return results;
}

async function report(results: Results, took: number): Promise<void> {
  const count = (row: string): number =>
    [...results.values()].flat().reduce((sum, figures) => sum + (figures.get(row) ?? 0), 0);
  const file = join(values.out, values.smoke ? 'smoke.json' : 'results.json');
  const rows = summaries(results);
  await writeFile(
    file,
    `${JSON.stringify({ machine: machine(values), rounds, seconds, took, rows }, null, 2)}\n`,
  );
  const drawn = join(values.out, values.smoke ? 'smoke.svg' : 'results.svg');
  await writeFile(drawn, plot(rows));
  console.log(table(results));
  console.log(`${rounds} rounds, order rotated; median (least-most). ${file}, ${drawn}`);
  console.log(
    `${count('disturbed')} of ${count('samples')} samples were taken while others used over 10 % of the machine`,
  );
  console.log(`took ${took.toFixed(0)} s`);
  if (values.smoke) console.log('bench smoke: every row was measured; nothing is judged');
  else console.log(verdict(results));
}

/** A broken benchmark fails; a slow machine does not. */
function checkComplete(results: Results): void {
  for (const [subject, [figures]] of results) {
    const missing = ROWS.map(([row]) => row).filter((row) => !Number.isFinite(figures?.get(row)));
    const own = /^(certificate|10 routes|retries|access log|all three|two workers|rss after)/;
    const asked: Readonly<Record<string, (row: string) => boolean>> = {
      direct: (row) => !/cpu|rss|private|start|plain/.test(row) && !own.test(row),
      weft: () => true,
    };
    const expected = missing.filter(asked[subject] ?? ((row) => !own.test(row)));
    if (expected.length > 0) throw new Error(`${subject} was not measured: ${expected.join(', ')}`);
  }
}

await main();
process.exit(0); // the control plane's listeners hold the loop
