// Run by bench/run.sh in namespaces of its own. Prints tables and writes results.json.
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeNode } from '../e2e/netns/network.js';
import { envoy, haproxy } from './peers.js';
import { round } from './round.js';
import { type Results, summaries, table, verdict } from './report.js';
import { ROWS } from './rows.js';
import type { Subject } from './subject.js';
import { weft } from './weft.js';
import type { Figures } from './work.js';

const BODY_BYTES = 100_000_000;

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    out: { type: 'string', default: '.' },
    load: { type: 'string', default: 'load' },
    weft: { type: 'string', default: 'weft-proxy' },
    envoy: { type: 'string', default: 'envoy' },
    only: { type: 'string', default: 'direct,weft,envoy,haproxy' },
  },
});
const rounds = values.smoke ? 1 : Number(values.rounds);
const seconds = values.smoke ? 1 : Number(values.seconds);

function machine(): object {
  const version = (command: string, ...args: string[]): string =>
    execFileSync(command, args, { encoding: 'utf8' }).trim().split('\n')[0] ?? '';
  return {
    cpus: cpus().map(({ model }) => model),
    memoryMB: Math.round(totalmem() / 1e6),
    kernel: release(),
    loadAverage: loadavg(),
    haproxy: version('haproxy', '-v'),
    envoy: version(values.envoy, '--version'),
    date: new Date().toISOString(),
  };
}

async function main(): Promise<void> {
  const begin = Date.now();
  const ending = new AbortController();
  const directory = await mkdtemp('/run/weft-bench-');
  try {
    await chmod(directory, 0o755);
    await writeFile(join(directory, '100MB'), Buffer.alloc(BODY_BYTES, 'weft'));
    await makeNode();
    await mkdir(join(directory, 'peers'));
    const peers = join(directory, 'peers');
    const all: Readonly<Record<string, () => Promise<Subject | 'direct'>>> = {
      direct: () => Promise.resolve('direct'),
      weft: () => weft(values.weft, directory, ending.signal),
      envoy: () => envoy(values.envoy, peers),
      haproxy: () => haproxy(peers),
    };
    const names = values.only.split(',');
    const subjects = new Map<string, Subject | 'direct'>();
    for (const name of names) {
      const make = all[name];
      if (make === undefined) throw new Error(`no subject ${name}; there are ${Object.keys(all).join(', ')}`);
      subjects.set(name, await make());
    }
    const results = await measure(subjects, directory);
    if (values.smoke) checkComplete(results);
    await report(results, (Date.now() - begin) / 1000);
  } finally {
    ending.abort();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Rounds with a rotated order, so that neither a place in it nor a slow minute favours anyone. */
async function measure(
  subjects: ReadonlyMap<string, Subject | 'direct'>,
  directory: string,
): Promise<Results> {
  const names = [...subjects.keys()];
  const results = new Map(names.map((name): [string, Figures[]] => [name, []]));
  const effort = { directory, seconds, load: values.load };
  for (let index = 0; index < rounds; index++) {
    const rotation = index % names.length;
    for (const name of [...names.slice(rotation), ...names.slice(0, rotation)]) {
      const figures = await round(subjects.get(name) ?? 'direct', effort);
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
  await writeFile(file, `${JSON.stringify({ machine: machine(), rounds, seconds, took, rows }, null, 2)}\n`);
  console.log(table(results));
  console.log(`${rounds} rounds, order rotated; median (least-most). ${file}`);
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
    const asked: Readonly<Record<string, (row: string) => boolean>> = {
      direct: (row) => !/cpu|rss/.test(row),
      weft: () => true,
    };
    const expected = missing.filter(asked[subject] ?? ((row) => row !== 'rss after 5,000'));
    if (expected.length > 0) throw new Error(`${subject} was not measured: ${expected.join(', ')}`);
  }
}

await main();
process.exit(0); // the control plane's listeners hold the loop
