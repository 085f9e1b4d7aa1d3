import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Process, end, ended, start } from '../netns/process.js';
import { PORTS } from '../scenarios/objects.js';
import type { Pod } from '../scenarios/pod.js';
import type { World } from '../scenarios/world.js';
import type { LoadReport } from '../support/app.js';

/** What is sent all the time: requests that may be repeated, requests that may not, and connections that last. */
export const KINDS = ['GET', 'POST', 'h2', 'gRPC', 'stream', 'TCP', 'WebSocket'] as const;
export type Kind = (typeof KINDS)[number];

/** What became of one kind. */
export interface Count {
  readonly sent: number;
  readonly lost: number;
  /** How they were lost. */
  readonly ways: Readonly<Record<string, number>>;
  /** When the last that failed or took longer than a second was over, in milliseconds since 1970; 0: none was. */
  readonly lastBad: number;
  /** Longest that 99 % took, in milliseconds; of requests alone. */
  readonly p99?: number;
}

export type Traffic = Readonly<Partial<Record<Kind, Count>>>;

/** Requests a second, or connections with ten exchanges a second each. */
const MIXED: Readonly<Record<Kind, number>> = {
  GET: 100,
  POST: 20,
  h2: 20,
  gRPC: 20,
  stream: 2,
  TCP: 3,
  WebSocket: 2,
};

/** The longest that a request is waited for, which is longer than anything that is promised. */
const TIMEOUT_SECONDS = 10;

interface Tally {
  readonly done: number;
  readonly broken: Readonly<Record<string, number>>;
  readonly lastBad: number;
}

/** What is sent to whom. */
export interface Sending {
  readonly to: string;
  /** Longest; whoever stops it before has what was sent until then. */
  readonly seconds: number;
  /** Exchanges after which a stream or connection ends by itself and another begins; default: never. */
  readonly exchanges?: number;
}

/** Traffic that flows. */
export interface Running {
  /** Ends it, waits for what is under way, and says what became of all. */
  readonly stop: () => Promise<Traffic>;
  /** The same once its time is over. */
  readonly over: () => Promise<Traffic>;
}

/** Sends all kinds from a pod at once. */
export function begin(from: Pod, sending: Sending, { directory, programs }: World): Running {
  const rates = Object.entries(MIXED) as [Kind, number][];
  const senders = rates.map(([kind, rate]): Sender => {
    const name = `${from.spec.name}-${kind}`;
    const log = join(directory, `${name}-${Date.now()}.json`);
    const command = [programs.app, ...commandOf({ ...sending, kind, rate })];
    return { kind, log, process: start(from.spec.name, command, { name, log }) };
  });
  const counts = async (): Promise<Traffic> =>
    Object.fromEntries(
      await Promise.all(senders.map(async (one) => [one.kind, await countOf(one)] as const)),
    );
  return {
    stop: async () => {
      await Promise.all(senders.map(({ process }) => end(process, 'SIGTERM')));
      return counts();
    },
    over: async () => {
      await Promise.all(senders.map(({ process }) => ended(process)));
      return counts();
    },
  };
}

interface Sender {
  readonly kind: Kind;
  readonly log: string;
  readonly process: Process;
}

type One = Sending & { readonly kind: Kind; readonly rate: number };

const isRequests = (kind: Kind): boolean => kind === 'GET' || kind === 'POST' || kind === 'h2';

function commandOf({ kind, rate, seconds, to, exchanges = 0 }: One): readonly string[] {
  if (isRequests(kind))
    return [
      'load',
      ...['-url', `http://${to}:${PORTS.http}/`, '-method', kind === 'POST' ? 'POST' : 'GET'],
      ...['-rate', String(rate), '-duration', `${seconds}s`, '-timeout', `${TIMEOUT_SECONDS}s`],
      ...['-connections', String(rate * TIMEOUT_SECONDS), ...(kind === 'h2' ? ['-h2'] : [])],
    ];
  const port = kind === 'TCP' ? PORTS.tcp : kind === 'WebSocket' ? PORTS.http : PORTS.grpc;
  const name = kind === 'gRPC' ? 'unary' : kind.toLowerCase();
  return [
    'sessions',
    ...['-kind', name, '-address', `${to}:${port}`, '-duration', `${seconds}s`],
    ...['-rate', String(rate), '-count', String(rate), '-exchanges', String(exchanges)],
  ];
}

async function countOf({ kind, log }: Sender): Promise<Count> {
  const said = await readFile(log, 'utf8');
  if (isRequests(kind)) {
    const { requests: sent, failed: lost, failures: ways, lastBad, millis } = JSON.parse(said) as LoadReport;
    return { sent, lost, ways, lastBad, p99: millis.p99 };
  }
  const { done, broken, lastBad } = JSON.parse(said) as Tally;
  const lost = Object.values(broken).reduce((sum, count) => sum + count, 0);
  return { sent: done + lost, lost, ways: broken, lastBad };
}

export function lostOf(traffic: Traffic, ...kinds: readonly Kind[]): number {
  return kinds.reduce((sum, kind) => sum + (traffic[kind]?.lost ?? 0), 0);
}

/** Seconds from a moment to the last of these kinds that failed or was late; 0 where none was after it. */
export function badAfter(traffic: Traffic, moment: number, kinds: readonly Kind[] = KINDS): number {
  const last = Math.max(...kinds.map((kind) => traffic[kind]?.lastBad ?? 0));
  return Math.max(0, last - moment) / 1000;
}

/** What was sent and lost, kind by kind, for a table. */
export function lines(traffic: Traffic): { readonly sent: string; readonly lost: string } {
  const all = KINDS.flatMap((kind) => {
    const count = traffic[kind];
    return count === undefined ? [] : [{ kind, count }];
  });
  const ways = ({ ways: by }: Count): string =>
    Object.entries(by)
      .map(([way, count]) => `${count} ${way}`)
      .join(', ');
  const sum = all.reduce((total, { count }) => total + count.sent, 0);
  const lost = all.filter(({ count }) => count.lost > 0);
  return {
    sent: `${sum}: ${all.map(({ kind, count }) => `${count.sent} ${kind}`).join(', ')}`,
    lost:
      lost.length === 0
        ? '0'
        : lost.map(({ kind, count }) => `${kind} ${count.lost} (${ways(count)})`).join('; '),
  };
}
