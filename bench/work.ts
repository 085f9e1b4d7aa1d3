import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Process, inPod, until } from '../e2e/netns/process.js';
import { PORTS, cpuOf, machineBusyMicros, ownBusyMicros, rssOf } from './pods.js';

/** Where figures of one subject in one round go, by row name. */
export type Figures = Map<string, number>;

export interface Work {
  readonly address: string;
  readonly proxies: readonly Process[];
  readonly figures: Figures;
  /** Seconds that a load lasts; a smoke run is short. */
  readonly seconds: number;
  /** The load generator of this folder. */
  readonly load: string;
}

/** Share of the machine that others may use before a sample counts as disturbed. */
const DISTURBED = 0.1;
const CPUS = cpus().length;
const MICROS = 1e6;

interface Spent {
  readonly user: number;
  readonly system: number;
  readonly seconds: number;
  /** Share of the machine used by processes that are not the benchmark's. */
  readonly others: number;
}

/** Does something and says what it cost the proxies. */
async function costOf<T>(work: Work, does: () => Promise<T>): Promise<[T, Spent]> {
  const cpu = (): { user: number; system: number } =>
    work.proxies
      .map(cpuOf)
      .reduce((sum, one) => ({ user: sum.user + one.user, system: sum.system + one.system }), {
        user: 0,
        system: 0,
      });
  const before = { cpu: cpu(), machine: machineBusyMicros(), own: ownBusyMicros(), at: performance.now() };
  const value = await does();
  const seconds = (performance.now() - before.at) / 1000;
  const after = cpu();
  const foreign = machineBusyMicros() - before.machine - (ownBusyMicros() - before.own);
  const others = Math.max(0, foreign / MICROS / seconds / CPUS);
  const spent = {
    user: after.user - before.cpu.user,
    system: after.system - before.cpu.system,
    seconds,
    others,
  };
  work.figures.set('samples', (work.figures.get('samples') ?? 0) + 1);
  if (others > DISTURBED) work.figures.set('disturbed', (work.figures.get('disturbed') ?? 0) + 1);
  return [value, spent];
}

function number(text: string, pattern: RegExp): number {
  const found = Number(pattern.exec(text)?.[1]);
  if (!(found > 0)) throw new Error(`no figure like ${String(pattern)} in:\n${text}`);
  return found;
}

function perRequest(work: Work, row: string, requests: number, spent: Spent): void {
  if (work.proxies.length === 0) return;
  if (spent.user + spent.system === 0)
    throw new Error(`${row}: the proxies used no CPU, so nothing was captured`);
  work.figures.set(`${row} cpu`, (spent.user + spent.system) / requests);
  work.figures.set(`${row} cpu user`, spent.user / requests);
}

/** HTTP/1.1 keep-alive as fast as it goes. */
export async function http1(work: Work, connections: number): Promise<void> {
  const url = `http://${work.address}:${PORTS.http1}/`;
  const [said, spent] = await costOf(work, () =>
    inPod('client', 'wrk', '-t1', `-c${connections}`, `-d${work.seconds}s`, url),
  );
  if (/Non-2xx|Socket errors/.test(said)) throw new Error(`wrk met errors:\n${said}`);
  const requests = number(said, /(\d+) requests in/);
  const row = `h1 c=${connections}`;
  work.figures.set(`${row} rps`, number(said, /Requests\/sec:\s+([\d.]+)/));
  perRequest(work, row, requests, spent);
}

/** HTTP/2 with prior knowledge: 8 connections, 16 streams each. */
export async function http2(work: Work): Promise<void> {
  const url = `http://${work.address}:${PORTS.http2}/`;
  const arguments_ = ['-t1', '-c8', '-m16', `--duration=${work.seconds}`, url];
  const [said, spent] = await costOf(work, () => inPod('client', 'h2load', ...arguments_));
  const requests = number(said, /(\d+) succeeded/);
  const failed = /(\d+) failed/.exec(said)?.[1];
  if (failed !== '0') throw new Error(`h2load met errors:\n${said}`);
  work.figures.set('h2 rps', requests / work.seconds);
  perRequest(work, 'h2', requests, spent);
}

async function json(work: Work, ...args: readonly string[]): Promise<Record<string, number>> {
  const parsed: unknown = JSON.parse(await inPod('client', work.load, ...args));
  return Object.fromEntries(Object.entries(parsed ?? {}).map(([name, value]) => [name, Number(value)]));
}

/** 1,000 requests a second over 32 connections in an open loop. */
export async function fixedRate(work: Work): Promise<void> {
  const target = `${work.address}:${PORTS.http1}`;
  const [seen] = await costOf(work, () =>
    json(work, 'rate', target, '/', '1000', '32', String(work.seconds)),
  );
  for (const part of ['p50', 'p99', 'p999']) work.figures.set(`1,000 rps ${part}`, seen[part] ?? Number.NaN);
}

/** Downloads of 100 MB, one after the other on one connection. */
export async function body(work: Work): Promise<void> {
  const count = work.seconds < 2 ? 1 : 5;
  const target = `${work.address}:${PORTS.http1}`;
  const [seen, spent] = await costOf(work, () => json(work, 'get', target, '/100MB', String(count)));
  work.figures.set('100 MB MB/s', (seen['bytes'] ?? 0) / 1e6 / (seen['seconds'] ?? Number.NaN));
  if (work.proxies.length === 0) return;
  work.figures.set('100 MB cpu', (spent.user + spent.system) / count);
}

/** One opaque TCP stream: 1-byte round trips, then as many bytes as pass. */
export async function opaque(work: Work): Promise<void> {
  const target = `${work.address}:${PORTS.opaque}`;
  const [ping] = await costOf(work, () => json(work, 'ping', target, String(work.seconds / 2)));
  work.figures.set('tcp round trip', ping['p50'] ?? Number.NaN);
  const megabytes = work.seconds < 2 ? 50 : 500;
  const [pour] = await costOf(work, () => json(work, 'pour', target, String(megabytes)));
  work.figures.set('tcp MB/s', (pour['bytes'] ?? 0) / 1e6 / (pour['seconds'] ?? Number.NaN));
}

/** Connections of opaque bytes, 8 at a time, each new and so with a handshake of its own between the proxies. */
export async function newConnections(work: Work): Promise<void> {
  const target = `${work.address}:${PORTS.opaque}`;
  const [seen, spent] = await costOf(work, () => json(work, 'dial', target, '8', String(work.seconds)));
  const count = seen['count'] ?? Number.NaN;
  work.figures.set('new connections 1/s', count / (seen['seconds'] ?? Number.NaN));
  perRequest(work, 'new connections', count, spent);
}

/** The larger VmRSS of both proxies in MB. */
function rss(work: Work): number {
  return Math.max(...work.proxies.map(rssOf));
}

/** How long proxies and connections have been idle when their memory is looked at. */
const IDLE_MILLIS = 3000;

/** Of fresh proxies: before any request, and with 1,000 connections that asked once and idle. */
export async function idleMemory(work: Work): Promise<void> {
  if (work.proxies.length === 0) return;
  await sleep(IDLE_MILLIS);
  work.figures.set('rss idle', rss(work));
  await firstAnswer(work);
  const before = work.proxies.map(rssOf);
  const connections = work.seconds < 2 ? 100 : 1000;
  const release = await hold(work, connections);
  await sleep(IDLE_MILLIS);
  const added = work.proxies.map((proxy, index) => rssOf(proxy) - (before[index] ?? Number.NaN));
  work.figures.set('rss of 1,000 idle', (Math.max(...added) * 1000) / connections);
  await release();
}

/** A minute after 5,000 connections that asked once have closed; a smoke run has no minute. */
export async function memoryAfterBurst(work: Work): Promise<void> {
  const release = await hold(work, work.seconds < 2 ? 100 : 5000);
  await release();
  await sleep(work.seconds < 2 ? 1000 : 60_000);
  work.figures.set('rss after 5,000', rss(work));
}

/** Opens connections that ask once and idle; the result closes them. */
async function hold(work: Work, connections: number): Promise<() => Promise<void>> {
  const holder = spawn(
    'ip',
    [
      'netns',
      'exec',
      'client',
      work.load,
      'idle',
      `${work.address}:${PORTS.http1}`,
      '/',
      String(connections),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  await saysSomething(holder);
  return async () => {
    holder.stdin.end();
    await once(holder, 'exit');
  };
}

async function saysSomething(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').then(() =>
    Promise.reject(new Error('the idle connections could not be made')),
  );
  ended.catch(() => undefined);
  if (child.stdout === null) throw new Error('no output to wait for');
  await Promise.race([once(child.stdout, 'data'), ended]);
}

/** While 100 HTTP/1.1 and 10 HTTP/2 connections are busy, and once they have ended. */
export async function busyMemory(work: Work): Promise<void> {
  if (work.proxies.length === 0) return;
  const seconds = String(work.seconds);
  const busy = Promise.all([
    inPod('client', 'wrk', '-t1', '-c100', `-d${seconds}s`, `http://${work.address}:${PORTS.http1}/`),
    inPod(
      'client',
      'h2load',
      '-t1',
      '-c10',
      '-m8',
      `--duration=${seconds}`,
      `http://${work.address}:${PORTS.http2}/`,
    ),
  ]);
  await sleep(work.seconds * 800);
  work.figures.set('rss busy', rss(work));
  await busy;
  work.figures.set('rss after', rss(work));
}

/** Until the whole path answers over each protocol. */
export async function firstAnswer(work: Work): Promise<void> {
  const target = (protocol: keyof typeof PORTS): string => `${work.address}:${PORTS[protocol]}`;
  await until('a first answer', () => inPod('client', work.load, 'get', target('http1'), '/', '1'));
}
