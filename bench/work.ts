import { cpus } from 'node:os';
import { type Process, inPod, until } from '../e2e/netns/process.js';
import { type Placement, place } from './placement.js';
import { PORTS, cpuOf, machineBusyMicros, ownBusyMicros } from './pods.js';

/** Where figures of one subject in one round go, by row name. */
export type Figures = Map<string, number>;

export interface Work {
  readonly address: string;
  readonly proxies: readonly Process[];
  readonly servers: readonly Process[];
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
export async function costOf<T>(work: Work, does: () => Promise<T>): Promise<[T, Spent]> {
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

export function number(text: string, pattern: RegExp): number {
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

/** Runs a load that asks for as much as there is; gives what it said. */
async function saturate(
  work: Work,
  command: readonly string[],
  placement: Placement = 'any',
): Promise<[string, Spent]> {
  const begins = placement === 'any' ? [] : place(placement, work);
  const [program = '', ...args] = [...begins, ...command];
  try {
    return await costOf(work, () => inPod('client', program, ...args));
  } finally {
    if (placement !== 'any') place('any', work);
  }
}

/** A load of HTTP/1.1. */
export interface Http1 {
  /** Of the figures. */
  readonly row: string;
  readonly connections: number;
  /** `/` unless said. */
  readonly path?: string;
  /** Share of the usual time that it lasts, 1 unless said. */
  readonly share?: number;
  /** `any` unless said. */
  readonly placement?: Placement;
  /** What wrk is told beside that, such as a header. */
  readonly wrk?: readonly string[];
}

/** HTTP/1.1 keep-alive as fast as it goes; gives the number of requests. */
export async function http1(work: Work, load: Http1): Promise<number> {
  const { row, connections, path = '/', share = 1, placement, wrk: beside = [] } = load;
  const url = `http://${work.address}:${PORTS.http1}${path}`;
  const seconds = Math.ceil(work.seconds * share);
  const wrk = ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, ...beside, url];
  const [said, spent] = await saturate(work, wrk, placement);
  if (/Non-2xx|Socket errors/.test(said)) throw new Error(`wrk met errors:\n${said}`);
  const requests = number(said, /(\d+) requests in/);
  work.figures.set(`${row} rps`, number(said, /Requests\/sec:\s+([\d.]+)/));
  perRequest(work, row, requests, spent);
  return requests;
}

/** HTTP/2 with prior knowledge: 8 connections, 16 streams each. */
export async function http2(work: Work, load: Pick<Http1, 'row' | 'share' | 'placement'>): Promise<void> {
  const { row, share = 1, placement } = load;
  const duration = `--duration=${Math.ceil(work.seconds * share)}`;
  await h2load(work, row, [duration, `http://${work.address}:${PORTS.http2}/`], { placement });
}

/**
 * h2load on 8 connections of 16 streams with what `asks` adds; gives what it said. A failed request fails the run, unless
 * failures are figures of their own.
 */
export async function h2load(
  work: Work,
  row: string,
  asks: readonly string[],
  {
    failures = 'fatal',
    placement,
  }: { failures?: 'fatal' | 'counted'; placement?: Placement | undefined } = {},
): Promise<string> {
  const [said, spent] = await saturate(work, ['h2load', '-t1', '-c8', '-m16', ...asks], placement);
  const requests = number(said, /(\d+) succeeded/);
  const failed = Number(/(\d+) failed/.exec(said)?.[1]);
  if (failed !== 0 && failures === 'fatal') throw new Error(`h2load met errors:\n${said}`);
  work.figures.set(`${row} failed`, (100 * failed) / (requests + failed));
  work.figures.set(`${row} rps`, number(said, /finished in .*, ([\d.]+) req\/s/));
  perRequest(work, row, requests, spent);
  return said;
}

export async function json(work: Work, ...args: readonly string[]): Promise<Record<string, number>> {
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

/** Until the whole path answers over each protocol. */
export async function firstAnswer(work: Pick<Work, 'address' | 'load'>): Promise<void> {
  const target = (protocol: keyof typeof PORTS): string => `${work.address}:${PORTS[protocol]}`;
  await until('a first answer', () => inPod('client', work.load, 'get', target('http1'), '/', '1'));
}
