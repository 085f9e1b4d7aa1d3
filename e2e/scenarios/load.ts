import type { LoadReport } from '../support/app.js';
import { until } from '../netns/process.js';
import { PORTS } from './objects.js';
import type { Pod } from './pod.js';

/** Requests offered in an open loop: a latency counts from the moment its request was due. */
export interface Load {
  /** Address of the Service. */
  readonly to: string;
  /** Requests a second. */
  readonly rate: number;
  readonly seconds: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest wait for an answer, and what `x-give-up` says. Default: 10 s, and it says nothing. */
  readonly giveUpMillis?: number;
}

/** More than can be in flight, so that the loop stays open; bounded all the same. */
const MOST_IN_FLIGHT = 2000;

/** Sends GETs from a pod. */
export async function offer(from: Pod, load: Load, app: string): Promise<LoadReport> {
  const headers = Object.entries(load.headers ?? {}).map(([name, value]) => `${name}=${value}`);
  const giveUp = `${load.giveUpMillis ?? 0}ms`;
  const said = await from.run(
    app,
    'load',
    ...['-url', `http://${load.to}:${PORTS.http}/`],
    ...['-rate', String(load.rate), '-duration', `${load.seconds}s`],
    ...['-connections', String(MOST_IN_FLIGHT), '-headers', headers.join(',')],
    ...(load.giveUpMillis === undefined ? [] : ['-give-up', giveUp, '-timeout', giveUp]),
  );
  return JSON.parse(said) as LoadReport;
}

/** Sends so many GETs from a pod, each as soon as the one before has ended. */
export async function oneAfterTheOther(
  from: Pod,
  { to, calls }: { readonly to: string; readonly calls: number },
  app: string,
): Promise<LoadReport> {
  const url = `http://${to}:${PORTS.http}/`;
  const flags = ['-url', url, '-rate', '0', '-count', String(calls), '-connections', '1', '-duration', '60s'];
  return JSON.parse(await from.run(app, 'load', ...flags)) as LoadReport;
}

/** Until a Service answers a pod, whatever it says; then connections are open and the proxy knows the way. */
export async function firstAnswer(from: Pod, to: string, app: string): Promise<void> {
  await until(`${to} answers ${from.spec.name}`, async () => {
    const { statuses } = await offer(from, { to, rate: 100, seconds: 0.2 }, app);
    if (Object.keys(statuses).length === 0) throw new Error('no answer');
  });
}

/** Part of the requests that succeeded. */
export function success({ requests, failed }: LoadReport): number {
  return requests === 0 ? Number.NaN : (requests - failed) / requests;
}

/** What `testapp sessions` prints: exchanges, and calls or sessions that broke by how. */
export interface Tally {
  readonly done: number;
  readonly broken: Readonly<Record<string, number>>;
}

/** Unary calls at 100 a second, or ten gRPC streams or TCP connections that exchange something ten times a second. */
export async function sessions(
  from: Pod,
  to: string,
  { kind, seconds }: { kind: 'unary' | 'stream' | 'tcp'; seconds: number },
  app: string,
): Promise<Tally> {
  const address = `${to}:${kind === 'tcp' ? PORTS.tcp : PORTS.grpc}`;
  const flags = ['-kind', kind, '-address', address, '-duration', `${seconds}s`];
  return JSON.parse(await from.run(app, 'sessions', ...flags)) as Tally;
}
