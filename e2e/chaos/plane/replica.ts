import { spawnSync } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { kill } from 'node:process';
import { names } from '../../../src/base/index.js';
import { type Said, ask } from '../../netns/ask.js';
import { type Process, ended, run, start, stop } from '../../netns/process.js';

/** What each replica is started with. */
export interface ReplicaPrograms {
  /** Path of weft.mjs. */
  readonly bundle: string;
  /** Path of weft-proxy, its front. */
  readonly proxy: string;
  readonly kubeconfig: string;
  readonly directory: string;
}

/** As the chart starts it. */
const FLAGS = ['--max-semi-space-size=4', '--heap-growing-percent=50', '--v8-pool-size=1'];
/** The kubelet's patience with an answer. */
const PROBE_MILLIS = 2000;

/** A replica of the control plane as it ships: its own process and front in a network namespace of its own. */
export class Replica {
  readonly name: string;
  readonly address: string;
  /** Consecutive probes that failed; one that was never ready is not taken for it. */
  failures = Number.POSITIVE_INFINITY;
  /** How often the kubelet has started it again since it had ended. */
  restarts = 0;
  readonly #programs: ReplicaPrograms;
  #process: Process | undefined;

  constructor(index: number, programs: ReplicaPrograms) {
    this.name = `weft-${index}`;
    this.address = `10.98.${index}.2`;
    this.#programs = programs;
  }

  /** A routed link to the node, so that the node's rules see all that comes and goes. */
  async makeNetwork(): Promise<void> {
    const { name, address } = this;
    const gateway = address.replace(/2$/, '1');
    await run('ip', 'netns', 'add', name);
    await run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    await run('ip', 'address', 'add', `${gateway}/24`, 'dev', name);
    await run('ip', 'link', 'set', name, 'up');
    await run('ip', '-n', name, 'address', 'add', `${address}/24`, 'dev', 'eth0');
    for (const link of ['lo', 'eth0']) await run('ip', '-n', name, 'link', 'set', link, 'up');
    await run('ip', '-n', name, 'route', 'add', 'default', 'via', gateway);
  }

  /** Starts the container, under another program if need be. */
  start(...under: readonly string[]): void {
    const { bundle, proxy, kubeconfig, directory } = this.#programs;
    this.failures = Number.POSITIVE_INFINITY;
    const command = [...under, process.execPath, ...FLAGS, bundle, 'controller'];
    this.#process = start(this.name, command, {
      name: this.name,
      log: `${directory}/${this.name}.log`,
      env: {
        KUBECONFIG: kubeconfig,
        WEFT_IMAGE: 'weft:chaos',
        WEFT_FRONT: proxy,
        WEFT_POD_NAME: this.name,
        WEFT_POD_UID: this.name,
        WEFT_LOG_LEVEL: 'warn',
      },
    });
  }

  get runs(): boolean {
    const child = this.#process?.child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Ids of the process and of its front. */
  async pids(): Promise<readonly number[]> {
    if (this.#process === undefined || !this.runs) return [];
    const { pid } = this.#process;
    const tasks = await readdir(`/proc/${pid}/task`);
    const lists = await Promise.all(
      tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
    );
    return [
      pid,
      ...lists.flatMap((list) =>
        list
          .split(' ')
          .filter((word) => word !== '')
          .map(Number),
      ),
    ];
  }

  /** The container dies with all that runs in it. */
  async kill(): Promise<void> {
    const process = this.#process;
    for (const pid of await this.pids()) kill(pid, 'SIGKILL');
    if (process !== undefined) await ended(process);
  }

  async freeze(): Promise<void> {
    for (const pid of await this.pids()) kill(pid, 'SIGSTOP');
  }

  async thaw(): Promise<void> {
    for (const pid of await this.pids()) kill(pid, 'SIGCONT');
  }

  /** From now on nothing comes to it or from it, and nobody is told. */
  async cut(): Promise<void> {
    for (const rule of this.#drops('-I')) await run('iptables', ...rule);
  }

  async mend(): Promise<void> {
    for (const rule of this.#drops('-D')) await run('iptables', ...rule);
  }

  #drops(how: '-I' | '-D'): readonly (readonly string[])[] {
    return [
      ['-t', 'raw', how, 'PREROUTING', '-i', this.name, '-j', 'DROP'],
      ['-t', 'mangle', how, 'POSTROUTING', '-o', this.name, '-j', 'DROP'],
    ];
  }

  /** What the kubelet's probe says. */
  async isReady(): Promise<boolean> {
    return (await this.#get('/ready').catch(() => undefined)) !== undefined;
  }

  /** What it measures about itself. */
  async metrics(): Promise<string> {
    return (await this.#get('/metrics')) ?? '';
  }

  /** How far its clock is ahead of ours, by the date of its answers. */
  async secondsAhead(): Promise<number> {
    const { headers } = await this.#ask('/ready');
    return (Date.parse(headers.date ?? '') - Date.now()) / 1000;
  }

  async #get(path: string): Promise<string | undefined> {
    const { status, body } = await this.#ask(path);
    return status === 200 ? body : undefined;
  }

  #ask(path: string): Promise<Said> {
    return ask({ host: this.address, port: names.ControlPlanePort.health, path, millis: PROBE_MILLIS });
  }

  /** Takes away all of it. */
  async remove(): Promise<void> {
    for (const pid of await this.pids()) kill(pid, 'SIGCONT');
    if (this.#process !== undefined) await stop([this.#process]);
    spawnSync('ip', ['link', 'delete', this.name]);
    spawnSync('ip', ['netns', 'delete', this.name]);
  }
}
