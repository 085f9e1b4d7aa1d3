import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** The user that capture leaves alone. */
export const PROXY_UID = 2112;

/** A process that lives for a while. */
export interface Process {
  readonly name: string;
  readonly pid: number;
  readonly child: ChildProcess;
}

/** What changes a network takes milliseconds; what takes so long hangs. */
const RUN_MILLIS = 120_000;
/** In a pod load and benchmarks run, too, which take minutes by themselves. */
const IN_POD_MILLIS = 1_800_000;
/** As long as the kubelet waits before it kills. */
const END_SECONDS = 30;

/** Runs a command to its end and gives what it wrote. */
export async function run(command: string, ...args: readonly string[]): Promise<string> {
  return within(RUN_MILLIS, command, ...args);
}

/** Runs a command to its end inside a pod. */
export async function inPod(pod: string, command: string, ...args: readonly string[]): Promise<string> {
  return within(IN_POD_MILLIS, 'ip', 'netns', 'exec', pod, command, ...args);
}

async function within(timeout: number, command: string, ...args: readonly string[]): Promise<string> {
  const limits = { maxBuffer: 1 << 24, timeout, killSignal: 'SIGKILL' } as const;
  const { stdout } = await execute(command, [...args], limits);
  return stdout;
}

/** Starts a long-lived process inside a pod; its output goes to `log`. */
export function start(
  pod: string,
  command: readonly string[],
  { name, log, env = {} }: { name: string; log: string; env?: Readonly<Record<string, string>> },
): Process {
  const output = openSync(log, 'a');
  const child = spawn('ip', ['netns', 'exec', pod, ...command], {
    stdio: ['ignore', output, output],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env },
  });
  closeSync(output);
  // `ip netns exec`, `setpriv` and `exec` replace each other, so this stays the pid of the program.
  if (child.pid === undefined) throw new Error(`cannot start ${command.join(' ')}`);
  return { name, pid: child.pid, child };
}

/** The command, run as the user that capture leaves alone. */
export function asProxy(command: readonly string[]): string[] {
  const user = String(PROXY_UID);
  return ['setpriv', '--reuid', user, '--regid', user, '--clear-groups', ...command];
}

/** Waits for the end. */
export async function ended({ child }: Process): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** Sends a signal and waits for the end, which is made the hard way when it does not come; one that has ended already is left alone. */
export async function end(process: Process, signal: NodeJS.Signals, seconds = END_SECONDS): Promise<void> {
  const over = ended(process);
  process.child.kill(signal);
  const late = setTimeout(() => process.child.kill('SIGKILL'), seconds * 1000);
  await over.finally(() => clearTimeout(late));
}

/** Ends all of them at once, the hard way. */
export async function stop(processes: readonly Process[]): Promise<void> {
  await Promise.all(processes.map((process) => end(process, 'SIGKILL')));
}

/** Tries until it works, and says at the end why it did not. */
export async function until<T>(what: string, attempt: () => Promise<T>, seconds = 60): Promise<T> {
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
