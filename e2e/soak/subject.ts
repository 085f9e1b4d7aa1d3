import { readFile, readdir } from 'node:fs/promises';
import { names } from '../../src/base/index.js';
import type { Replica } from '../chaos/plane/replica.js';
import { ask } from '../netns/ask.js';
import type { Pod } from '../scenarios/pod.js';

/** What is watched of each subject. */
export const MEASURES = ['memory', 'descriptors', 'series'] as const;
export type Measure = (typeof MEASURES)[number];

/** Something whose memory, descriptors and series are watched. */
export interface Subject {
  readonly name: string;
  /** Most that each may grow in an hour: MB, descriptors, time series. */
  readonly bounds: Readonly<Record<Measure, number>>;
  readonly pids: () => Promise<readonly number[]>;
  /** What it tells Prometheus. */
  readonly metrics: () => Promise<string>;
}

export function proxyOf(pod: Pod): Subject {
  return {
    name: `proxy of ${pod.spec.name}`,
    bounds: { memory: 2, descriptors: 10, series: 20 },
    pids: () => Promise.resolve(pod.proxyPid === undefined ? [] : [pod.proxyPid]),
    metrics: async () => {
      const where = { host: pod.address, port: names.ProxyPort.metrics, path: '/metrics' };
      return (await ask({ ...where, millis: 2000 })).body;
    },
  };
}

/** The control plane's process and its front together. */
export function replicaOf(replica: Replica): Subject {
  return {
    name: `control plane ${replica.name}`,
    // Each of some twenty kinds has a series for the first watch that times out. One for each pod that comes would be 120.
    bounds: { memory: 20, descriptors: 10, series: 50 },
    pids: () => replica.pids(),
    metrics: () => replica.metrics(),
  };
}

/** Looks once; throws where a process is gone. */
export async function look({ pids, metrics, name }: Subject): Promise<Readonly<Record<Measure, number>>> {
  const all = await pids();
  if (all.length === 0) throw new Error(`${name} does not run`);
  const memory = await Promise.all(all.map(residentMegabytes));
  const descriptors = await Promise.all(all.map(async (pid) => (await readdir(`/proc/${pid}/fd`)).length));
  const lines = (await metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return { memory: sum(memory), descriptors: sum(descriptors), series: lines.length };
}

async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1000;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
