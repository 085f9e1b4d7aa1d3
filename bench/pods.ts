import { readFileSync, readdirSync } from 'node:fs';
import { makePod, removePod } from '../e2e/netns/network.js';
import type { Process } from '../e2e/netns/process.js';

/** Address of each pod. */
export const PODS = { client: '10.99.0.2', server: '10.99.0.3' } as const;
/** The Service address that every caller dials, except directly. */
export const SERVICE = '10.96.0.5';
/** Ports of the Service and of the application. */
export const PORTS = { http1: 8080, http2: 8081, opaque: 8082, webSocket: 8083, grpc: 8084 } as const;

export type PodName = keyof typeof PODS;

const TICKS_PER_SECOND = 100;

/** CPU time in microseconds, as the kernel accounts it. */
export interface Cpu {
  readonly user: number;
  readonly system: number;
}

/** Both pods, fresh: no rule and no connection of an earlier subject is left in them. */
export async function makePods(): Promise<void> {
  for (const [pod, address] of Object.entries(PODS)) await makePod(pod, address);
}

export async function removePods(): Promise<void> {
  for (const pod of Object.keys(PODS)) await removePod(pod);
}

/** User and system time of a process since it started, all its threads together. */
export function cpuOf({ pid, name }: Process): Cpu {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const micros = (index: number): number => (Number(fields[index]) * 1e6) / TICKS_PER_SECOND;
  const cpu = { user: micros(11), system: micros(12) };
  if (Number.isNaN(cpu.user + cpu.system)) throw new Error(`cannot read the CPU time of ${name}`);
  return cpu;
}

/** VmRSS in MB. */
export function rssOf({ pid, name }: Process): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (line === null) throw new Error(`${name} has no VmRSS: it has ended`);
  return (Number(line[1]) * 1024) / 1e6;
}

/** Memory in MB that no other process shares: what one more proxy takes of a node. */
export function privateOf({ pid }: Process): number {
  const pages = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8').matchAll(/^Private_\w+:\s+(\d+) kB$/gm);
  return [...pages].reduce((sum, [, kilobytes]) => sum + (Number(kilobytes) * 1024) / 1e6, 0);
}

/** Microseconds of CPU that everything on the machine used, since boot; to see how much of it was not ours. */
export function machineBusyMicros(): number {
  const fields = /^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]?.split(' ').map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields;
  return ((user + nice + system + irq + softirq) * 1e6) / TICKS_PER_SECOND;
}

/** Microseconds of CPU that the processes of this benchmark used: those that live, and those that ended in them. */
export function ownBusyMicros(): number {
  let ticks = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      for (const index of [11, 12, 13, 14]) ticks += Number(fields[index]);
    } catch {
      // It ended meanwhile.
    }
  }
  return (ticks * 1e6) / TICKS_PER_SECOND;
}
