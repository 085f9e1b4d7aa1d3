import { readFile, readdir, rm, stat, truncate } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { inPod, until } from '../../e2e/netns/process.js';
import { busyMemory } from '../footprint.js';
import { PORTS, rssOf } from '../pods.js';
import { inFreshPods } from '../round.js';
import type { Subject } from '../subject.js';
import { type Http1, type Work, http1 } from '../work.js';
import type { Feature } from './feature.js';
import { type Counts, counts } from './helper.js';
import { type Watcher, watch } from './telemetry.js';

/** What one start of the proxies said of the receiver's. */
export interface Cell {
  /** Microseconds of CPU of a request. */
  readonly cpu: number;
  readonly rps: number;
  /** VmRSS in MB after the load. */
  readonly rss: number;
  /** Others used over 10 % of the machine meanwhile. */
  readonly disturbed: boolean;
  /** Lines of the access log, of the requests. */
  readonly logged: number;
  /** VmRSS in MB while 100 HTTP/1.1 and 10 HTTP/2 connections are busy. */
  readonly busy?: number;
  /** VmRSS in MB after requests with a million different keys. */
  readonly keys?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** What can be seen after a load. */
export interface Evidence {
  /** Requests of the load. */
  readonly requests: number;
  /** What the helper was asked during it. */
  readonly asked: Counts;
  /** Asks the server from the client, as the load does. */
  readonly ask: (path: string) => Promise<Answer>;
  /** The same without the load's headers. */
  readonly anonymous: (path: string) => Promise<Answer>;
  /** Lines of the receiver's access log, of its requests. */
  readonly logged: number;
  /** Whether somebody who watches is shown a request that has just been made. */
  readonly shown: () => Promise<boolean>;
}

export interface Effort {
  readonly directory: string;
  readonly seconds: number;
  readonly load: string;
  readonly testapp: string;
  /** Whether the million keys are asked for, which takes most of a minute. */
  readonly everyKey: boolean;
}

/** Where Envoy writes: its configuration is older than the start that it is for. */
export const envoyLog = (directory: string): string => join(directory, 'envoy-access.log');
export const envoyTaps = (directory: string): string => join(directory, 'taps/envoy');

const CONNECTIONS = 64;
/** What is measured has been busy before. */
const WARM_SECONDS = 1;
const MILLION = 1_000_000;

/** Starts the proxies of a subject anew and measures the receiver's; throws if the feature is on and does nothing. */
export async function cell(subject: Subject, feature: Feature, on: boolean, effort: Effort): Promise<Cell> {
  const measured: Cell[] = [];
  const places: string[] = [];
  await truncate(envoyLog(effort.directory));
  const taps = dirname(envoyTaps(effort.directory));
  for (const file of await readdir(taps)) await rm(join(taps, file));
  await inFreshPods(subject, effort, async (started) => {
    places.push(started.directory);
    const receiver = started.proxies.filter(({ name }) => name === 'inbound');
    const { seconds, load } = effort;
    const work: Placed = {
      ...started,
      proxies: receiver,
      figures: new Map(),
      seconds,
      load,
    };
    await until('a first answer', async () => {
      const { status } = await ask(work, feature.wrk ?? [], effort.testapp, '/');
      if (status !== 200) throw new Error(`status ${status}`);
    });
    const weft = subject.name === 'weft';
    const watcher =
      on && weft && feature.weft.watched ? await watch(join(started.directory, 'server')) : undefined;
    measured.push(await measure(work, feature, { on, weft, watcher, effort }));
    watcher?.leave();
  });
  // A log is as long as a load is quick, and all of it is memory.
  for (const place of places) await rm(place, { recursive: true });
  const [only] = measured;
  if (only === undefined) throw new Error('nothing was measured');
  return only;
}

type Placed = Work & { readonly directory: string };

interface Way {
  readonly on: boolean;
  readonly weft: boolean;
  /** Of Weft's tap; Envoy's writes files. */
  readonly watcher: Watcher | undefined;
  readonly effort: Effort;
}

async function measure(work: Placed, feature: Feature, way: Way): Promise<Cell> {
  const { on, weft, effort } = way;
  const [receiver] = work.proxies;
  if (receiver === undefined) throw new Error('there is no receiver');
  const load = { row: 'cell', connections: CONNECTIONS, wrk: feature.wrk ?? [] };
  const unmeasured = { ...work, figures: new Map<string, number>() };
  await http1({ ...unmeasured, seconds: WARM_SECONDS }, load);
  const log = weft ? join(work.directory, 'server.log') : envoyLog(effort.directory);
  const before = { asked: await counts(), lines: await lines(log) };
  const requests = await http1(work, load);
  const asked = since(before.asked, await counts());
  const logged = ((await lines(log)) - before.lines) / requests;
  const figure = (row: string): number => work.figures.get(row) ?? Number.NaN;
  const disturbed = work.figures.has('disturbed');
  const measured = {
    cpu: figure('cell cpu'),
    rps: figure('cell rps'),
    rss: rssOf(receiver),
    disturbed,
    logged,
  };
  if (!on) return measured;
  // It takes long, so only Weft's, about which there are promises.
  const memory = weft ? await more(feature, unmeasured, load, effort) : {};
  if (!(await feature.shows(evidence(work, feature, { asked, requests, logged }, way))))
    throw new Error(`${feature.name}: the feature does nothing`);
  return { ...measured, ...memory };
}

async function more(
  { memory }: Feature,
  work: Placed,
  load: Http1,
  { everyKey }: Effort,
): Promise<Pick<Cell, 'keys' | 'busy'>> {
  if (memory === 'keys' && everyKey) return keys(work, load);
  return memory === 'busy' ? busy(work) : {};
}

/** The receiver's memory after a million different keys and more. */
async function keys(work: Placed, load: Http1): Promise<Pick<Cell, 'keys'>> {
  for (let requests = 0; requests < MILLION;) requests += await http1({ ...work, seconds: 5 }, load);
  return { keys: Math.max(...work.proxies.map(rssOf)) };
}

async function busy(work: Placed): Promise<Pick<Cell, 'busy'>> {
  await busyMemory(work);
  return { busy: work.figures.get('rss busy') ?? Number.NaN };
}

function since(before: Counts, after: Counts): Counts {
  return {
    checks: after.checks - before.checks,
    limits: after.limits - before.limits,
    exports: after.exports - before.exports,
  };
}

function evidence(
  work: Placed,
  { wrk = [] }: Feature,
  seen: Pick<Evidence, 'asked' | 'requests' | 'logged'>,
  { watcher, effort }: Way,
): Evidence {
  const shown = async (): Promise<boolean> => {
    if ((watcher?.shown() ?? (await written(envoyTaps(effort.directory)))) === 0) throw new Error('nothing');
    return true;
  };
  return {
    ...seen,
    ask: (path) => ask(work, wrk, effort.testapp, path),
    anonymous: (path) => ask(work, [], effort.testapp, path),
    shown: () => until('what was asked for is shown', shown, 10),
  };
}

/** With the headers of the load, so that it is let in where that is. */
async function ask(work: Work, wrk: readonly string[], testapp: string, path: string): Promise<Answer> {
  const given = wrk.flatMap((word, index) => (wrk[index - 1] === '-H' ? [word.replace(/: */, '=')] : []));
  const url = `http://${work.address}:${PORTS.http1}${path}`;
  const said = await inPod('client', testapp, 'request', '-url', url, '-headers', given.join(';'));
  return JSON.parse(said) as Answer;
}

async function lines(log: string): Promise<number> {
  let count = 0;
  for (const byte of await readFile(log)) if (byte === 0x0a) count += 1;
  return count;
}

/** Files whose names begin with the prefix. */
async function written(prefix: string): Promise<number> {
  const names = (await readdir(dirname(prefix))).filter((name) => name.startsWith(basename(prefix)));
  const sizes = await Promise.all(names.map(async (name) => stat(join(dirname(prefix), name))));
  return sizes.filter(({ size }) => size > 0).length;
}
