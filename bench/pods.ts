import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { openSync, readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Address of the node, where the control plane is. */
export const NODE = '10.99.0.1';
/** Address of each pod. */
export const PODS = { client: '10.99.0.2', server: '10.99.0.3' } as const;
/** The Service address that every caller dials, except directly. */
export const SERVICE = '10.96.0.5';
/** Ports of the Service and of the application. */
export const PORTS = { http1: 8080, http2: 8081, opaque: 8082 } as const;
/** The user that capture leaves alone. */
export const PROXY_UID = 2112;

export type PodName = keyof typeof PODS;

const TICKS_PER_SECOND = 100;

/** A process of this benchmark. */
export interface Process {
  readonly name: string;
  readonly pid: number;
  readonly child: ChildProcess;
}

/** CPU time in microseconds, as the kernel accounts it. */
export interface Cpu {
  readonly user: number;
  readonly system: number;
}

/** Runs a command to its end and gives what it wrote. */
export async function run(command: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(command, [...args], { maxBuffer: 1 << 24 });
  return stdout;
}

/** Runs a command to its end inside a pod. */
export async function inPod(pod: PodName, command: string, ...args: readonly string[]): Promise<string> {
  return run('ip', 'netns', 'exec', pod, command, ...args);
}

/** The bridge that both pods hang on. */
export async function makeNode(): Promise<void> {
  await run('ip', 'link', 'set', 'lo', 'up');
  await run('ip', 'link', 'add', 'br0', 'type', 'bridge');
  await run('ip', 'address', 'add', `${NODE}/24`, 'dev', 'br0');
  await run('ip', 'link', 'set', 'br0', 'up');
}

/** Both pods, fresh: no rule and no connection of an earlier subject is left in them. */
export async function makePods(): Promise<void> {
  for (const [pod, address] of Object.entries(PODS)) {
    await run('ip', 'netns', 'add', pod);
    const inside = (...args: string[]): Promise<string> => run('ip', '-n', pod, ...args);
    await run('ip', 'link', 'add', pod, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod);
    await run('ip', 'link', 'set', pod, 'master', 'br0', 'up');
    await inside('address', 'add', `${address}/24`, 'dev', 'eth0');
    await inside('link', 'set', 'lo', 'up');
    await inside('link', 'set', 'eth0', 'up');
    await inside('route', 'add', 'default', 'via', NODE);
  }
}

export async function removePods(): Promise<void> {
  for (const pod of Object.keys(PODS)) {
    await run('ip', 'link', 'delete', pod);
    await run('ip', 'netns', 'delete', pod);
  }
}

/** Starts a long-lived process inside a pod; its output goes to `log`. */
export function start(
  pod: PodName,
  command: readonly string[],
  { name, log, env = {} }: { name: string; log: string; env?: Readonly<Record<string, string>> },
): Process {
  const output = openSync(log, 'a');
  const child = spawn('ip', ['netns', 'exec', pod, ...command], {
    stdio: ['ignore', output, output],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env },
  });
  // `ip netns exec`, `setpriv` and `exec` replace each other, so this stays the pid of the program.
  if (child.pid === undefined) throw new Error(`cannot start ${command.join(' ')}`);
  return { name, pid: child.pid, child };
}

/** The command, run as the user that capture leaves alone. */
export function asProxy(command: readonly string[]): string[] {
  const user = String(PROXY_UID);
  return ['setpriv', '--reuid', user, '--regid', user, '--clear-groups', ...command];
}

export async function stop(processes: readonly Process[]): Promise<void> {
  for (const { child } of processes) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
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

/** Tries until it works, and says at the end why it did not. */
export async function until<T>(what: string, attempt: () => Promise<T>, seconds = 20): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`${what} not within ${seconds} s`, { cause: error });
      await sleep(20);
    }
  }
}
