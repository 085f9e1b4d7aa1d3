// `bench/run.sh --paused`: what other requests between two pods take while downloads and subscribers pause, beside what they
// take in the same pods while nobody does. Each case runs in fresh pods, Weft beside Envoy, no proxy at all and, where one is
// given, an earlier build of Weft.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { makeNode } from '../e2e/netns/network.js';
import { GIVEN } from './given.js';
import { envoy } from './peers.js';
import { PORTS } from './pods.js';
import { inFreshPods, layOutBodies } from './round.js';
import type { Subject } from './subject.js';
import { weft } from './weft.js';
import { type Work, firstAnswer, json } from './work.js';

const { values } = parseArgs({
  options: {
    ...GIVEN,
    rounds: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '1' },
    only: { type: 'string', default: 'weft,before,envoy,direct' },
  },
});

/** Where an earlier build is, if one was given. */
const BEFORE = '/run/bin/weft-proxy-before';
/** Readers have paused once so few bytes have passed between the pods in each of so many looks, one behind the other. */
const STILL = { bytes: 20_000, looks: 4, millis: 100, mostLooks: 100 };
/** How often a measurement is repeated in which the machine itself stood still, before it counts as it is. */
const MOST_REPEATS = 10;
/** What others may take, in times of what they take when nobody pauses. */
const GOAL = 1.2;

interface Case {
  readonly name: string;
  /** Readers that pause. */
  readonly readers: number;
  readonly port: keyof typeof PORTS;
  readonly path: string;
}

const CASES: readonly Case[] = [
  // What the measurement itself makes of nothing.
  { name: 'none', readers: 0, port: 'http1', path: '/100MB' },
  { name: '1 download', readers: 1, port: 'http1', path: '/100MB' },
  { name: '16 downloads', readers: 16, port: 'http1', path: '/100MB' },
  { name: '64 downloads', readers: 64, port: 'http1', path: '/100MB' },
  // The same two proxies, and so the same connection: messages of 25 bytes, as many as there is room for.
  { name: 'subscriber', readers: 1, port: 'webSocket', path: '/events' },
];

/** Bytes that have come to both pods over their own interfaces. */
async function bytesBetween(): Promise<number> {
  const text = await readFile('/proc/net/dev', 'utf8');
  return ['client', 'server']
    .map((pod) => Number(new RegExp(String.raw`^\s*${pod}:\s*(\d+)`, 'm').exec(text)?.[1] ?? Number.NaN))
    .reduce((sum, bytes) => sum + bytes, 0);
}

async function untilStill(): Promise<void> {
  let still = 0;
  for (let look = 0; still < STILL.looks && look < STILL.mostLooks; look += 1) {
    const before = await bytesBetween();
    await sleep(STILL.millis);
    still = (await bytesBetween()) - before < STILL.bytes ? still + 1 : 0;
  }
  if (still < STILL.looks) throw new Error('the readers read on, or what they left is still moved about');
}

/**
 * Hundredths of a second, all processors together, for which whoever lends the machine took it away. That is 10 ms at a time
 * where processors are rationed, which makes ten of a thousand requests slow: just those that p99 looks at.
 */
async function stolen(): Promise<number> {
  const fields = /^cpu +(.*)$/m.exec(await readFile('/proc/stat', 'utf8'))?.[1]?.split(' ') ?? [];
  return Number(fields[7]);
}

/** Readers that have paused, until they are let go. */
async function pause(work: Work, { readers, port, path }: Case): Promise<() => Promise<void>> {
  if (readers === 0) return () => Promise.resolve();
  const target = `${work.address}:${PORTS[port]}`;
  const args = ['netns', 'exec', 'client', work.load, 'pause', target, path, String(readers)];
  const child = spawn('ip', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const paused = once(child.stdout, 'data').then(() => true);
  if (!(await Promise.race([paused, ended.then(() => false)])))
    throw new Error('the readers that pause were not answered');
  await untilStill();
  return async () => {
    child.kill('SIGKILL');
    await ended;
    await untilStill();
  };
}

/** Microseconds of p99, of each round: while nobody pauses, and while the readers do; infinite where others were not served. */
interface Seen {
  readonly without: number[];
  readonly paused: number[];
  /** Measurements that were repeated, since the machine stood still in them. */
  readonly repeated: number;
}

/** All rounds of one case, in pods of its own. */
async function seen(subject: Subject | 'direct', one: Case, directory: string): Promise<Seen> {
  const [without, paused]: [number[], number[]] = [[], []];
  const seconds = Number(values.seconds);
  let repeated = 0;
  await inFreshPods(subject, { directory, seconds, load: values.load }, async (place) => {
    const work: Work = { ...place, figures: new Map(), seconds, load: values.load };
    await firstAnswer(work);
    const target = `${work.address}:${PORTS.http1}`;
    const p99 = async (repeats = 0): Promise<number> => {
      const before = await stolen();
      const figures = await json(work, 'rate', target, '/', '1000', '8', String(seconds));
      if ((await stolen()) > before && repeats < MOST_REPEATS) {
        repeated += 1;
        return p99(repeats + 1);
      }
      return figures['p99'] ?? Number.POSITIVE_INFINITY;
    };
    // A warm path, as everybody else's row has it.
    await p99();
    for (let round = 0; round < Number(values.rounds); round += 1) {
      without.push(await p99());
      const letGo = await pause(work, one);
      try {
        paused.push(await p99());
      } catch (error) {
        console.error(`${one.name}: others were not served: ${String(error)}`);
        paused.push(Number.POSITIVE_INFINITY);
        // It will be no different the next time, and takes its patience each time.
        return;
      } finally {
        await letGo();
      }
    }
  });
  return { without, paused, repeated };
}

function median(of: readonly number[]): number {
  return of.toSorted((a, b) => a - b)[Math.floor(of.length / 2)] ?? Number.NaN;
}

/** Median, least and most. */
function spread(of: readonly number[]): string {
  const micros = (value: number): string => (Number.isFinite(value) ? value.toFixed(0) : 'not served');
  return `${micros(median(of))} us (${micros(Math.min(...of))} to ${micros(Math.max(...of))})`;
}

type Cells = Record<string, Seen & { readonly ratio: number }>;

/** All cases of one subject, printed as they come. */
async function cellsOf(name: string, subject: Subject | 'direct', directory: string): Promise<Cells> {
  const cells: Cells = {};
  for (const one of CASES) {
    const { without, paused, repeated } = await seen(subject, one, directory);
    const ratio = median(paused) / median(without);
    cells[one.name] = { without, paused, repeated, ratio };
    const load = loadavg()[0]?.toFixed(1) ?? '';
    const told = `p99 ${spread(without)}, paused ${spread(paused)}: ${ratio.toFixed(2)} x, ${repeated} repeated`;
    console.log(`${name.padEnd(8)}${one.name.padEnd(14)}${told}, load ${load}`);
  }
  return cells;
}

function verdict({ none, ...cases }: Cells): string {
  const isMissed = ({ ratio }: { readonly ratio: number }): boolean => !(ratio <= GOAL);
  if (none === undefined || isMissed(none)) return 'the machine is too busy to tell';
  const missed = Object.entries(cases).filter(([, one]) => isMissed(one));
  if (missed.length === 0) return `others take at most ${GOAL} times as long`;
  return `over ${GOAL} times as long with ${missed.map(([name]) => name).join(', ')}`;
}

async function main(): Promise<void> {
  const ending = new AbortController();
  const directory = await mkdtemp('/run/weft-bench-');
  try {
    await chmod(directory, 0o755);
    await layOutBodies(directory);
    await makeNode();
    await mkdir(join(directory, 'peers'));
    const make: Readonly<Record<string, () => Promise<Subject | 'direct'>>> = {
      weft: () => weft(values.weft, join(directory, 'weft'), ending.signal),
      before: () => weft(BEFORE, join(directory, 'before'), ending.signal),
      direct: () => Promise.resolve('direct'),
      envoy: () => envoy(values.envoy, join(directory, 'peers')),
    };
    const hasBefore = await access(BEFORE).then(
      () => true,
      () => false,
    );
    const names = values.only.split(',').filter((name) => name !== 'before' || hasBefore);
    const rows: Record<string, Cells> = {};
    for (const name of names) {
      const begin = make[name];
      if (begin === undefined)
        throw new Error(`no subject ${name}; there are ${Object.keys(make).join(', ')}`);
      rows[name] = await cellsOf(name, await begin(), directory);
    }
    await writeFile(join(values.out, 'paused.json'), `${JSON.stringify(rows, null, 2)}\n`);
    if (rows['weft'] !== undefined) console.log(`weft: ${verdict(rows['weft'])}`);
  } finally {
    ending.abort();
    await rm(directory, { recursive: true, force: true });
  }
}

await main();
process.exit(0); // the control plane's listeners hold the loop
