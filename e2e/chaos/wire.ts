import { join } from 'node:path';
import { ask } from '../netns/ask.js';
import { type Process, run, start, stop, until } from '../netns/process.js';
import type { Pod } from '../scenarios/pod.js';
import type { World } from '../scenarios/world.js';

/** It answers at once, unless the machine is busy beyond reason. */
const ASK_MILLIS = 30_000;

/** What a wire does to packets; `e2e/apps/wire.go` says what each means. */
export interface Faults {
  readonly lossPercent?: number;
  readonly delayMillis?: number;
  readonly jitterMillis?: number;
  readonly reorderPercent?: number;
  readonly reorderMillis?: number;
  readonly maxBytes?: number;
  readonly cutIn?: boolean;
  readonly cutOut?: boolean;
}

/** Packets of both directions since it was last asked. */
export interface Carried {
  readonly passed: number;
  readonly lost: number;
  readonly delayed: number;
  readonly reordered: number;
  readonly tooLong: number;
  readonly cut: number;
}

/**
 * The wire between a pod and its node, put in while the pod runs. Every packet passes a process in a network namespace between
 * the two, which does to it what netem would: the kernels that we run on have no netem.
 */
export class Wire {
  readonly #namespace: string;
  readonly #socket: string;
  readonly #process: Process;

  private constructor(namespace: string, socket: string, process: Process) {
    this.#namespace = namespace;
    this.#socket = socket;
    this.#process = process;
  }

  static async into({ spec: { name } }: Pod, world: World): Promise<Wire> {
    const namespace = `${name}-w`;
    const socket = join(world.directory, `${namespace}.sock`);
    await run('ip', 'netns', 'add', namespace);
    // As long as packets are: what the kernel would cut only in the card must be cut before the wire, or a fault hits fifty at once.
    await run('ip', '-n', name, 'link', 'set', 'eth0', 'gso_max_segs', '1');
    await run('ip', 'link', 'set', name, 'down');
    await run('ip', 'link', 'set', name, 'netns', namespace);
    await run('ip', '-n', namespace, 'link', 'set', name, 'name', 'in');
    const ends = ['type', 'veth', 'peer', 'name', 'out', 'netns', namespace];
    await run('ip', 'link', 'add', name, ...ends);
    await run('ip', 'link', 'set', name, 'gso_max_segs', '1');
    for (const link of ['in', 'out']) {
      await run('ip', '-n', namespace, 'link', 'set', link, 'addrgenmode', 'none');
      await run('ip', '-n', namespace, 'link', 'set', link, 'up');
    }
    const command = [world.programs.app, 'wire', '-control', socket];
    const log = join(world.directory, `${namespace}.log`);
    const wire = new Wire(namespace, socket, start(namespace, command, { name: namespace, log }));
    await until(`the wire of ${name} carries`, () => wire.set({}));
    await run('ip', 'link', 'set', name, 'master', 'br0', 'up');
    return wire;
  }

  /** From the next packet on; what is not named is as on a good wire. */
  async set(faults: Faults): Promise<void> {
    await this.#ask('PUT', '/faults', faults);
  }

  async take(): Promise<Carried> {
    return JSON.parse(await this.#ask('POST', '/take', undefined)) as Carried;
  }

  /** What is left of it when its pod is gone. */
  async remove(): Promise<void> {
    await stop([this.#process]);
    await run('ip', 'netns', 'delete', this.#namespace);
  }

  async #ask(method: string, path: string, body: object | undefined): Promise<string> {
    const question = { socketPath: this.#socket, method, path, millis: ASK_MILLIS };
    const { status, body: said } = await ask(question, body);
    if (status !== 200) throw new Error(`${this.#namespace} ${path}: ${status} ${said}`);
    return said;
  }
}
