import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../netns/process.js';
import { firstAnswer, offer } from '../scenarios/load.js';
import type { Pod } from '../scenarios/pod.js';
import { replicas } from '../scenarios/replicas.js';
import { World, type Programs } from '../scenarios/world.js';
import type { Played } from './row.js';
import { type Kind, type Running, type Traffic, badAfter, begin, lostOf } from './traffic.js';
import { type Carried, Wire } from './wire.js';

const SERVICE = '10.96.0.5';
/** How long traffic flows before a fault, during it and after it. */
const BEFORE_MILLIS = 1000;
const DURING_MILLIS = 6000;
const AFTER_MILLIS = 6000;
const MIXED_SECONDS = (BEFORE_MILLIS + DURING_MILLIS + AFTER_MILLIS) / 1000;

/** A caller and three pods that it calls, with a wire at the caller and one at the first of the three. */
export class Network {
  readonly #world: World;
  readonly client: Pod;
  readonly callees: readonly Pod[];
  /** Between the caller and everybody. */
  readonly near: Wire;
  /** Between the first callee and everybody. */
  readonly far: Wire;

  private constructor(world: World, parts: Pick<Network, 'client' | 'callees' | 'near' | 'far'>) {
    this.#world = world;
    this.client = parts.client;
    this.callees = parts.callees;
    this.near = parts.near;
    this.far = parts.far;
  }

  static async open(programs: Programs): Promise<Network> {
    const world = await World.open(programs);
    world.service('reviews', SERVICE);
    const [client, ...callees] = await world.start(
      { name: 'client', app: 'web' },
      ...replicas('reviews', 3, () => ({ latencyMillis: 5, spread: 0.5 })),
    );
    const [first] = callees;
    if (first === undefined) throw new Error('no callee');
    const [near, far] = [await Wire.into(client, world), await Wire.into(first, world)];
    return new Network(world, { client, callees, near, far });
  }

  /** The first callee, whose wire can be cut. */
  get first(): Pod {
    const [first] = this.callees;
    if (first === undefined) throw new Error('no callee');
    return first;
  }

  /** Waits until nothing of a row before is left: each callee answers, and nothing fails. */
  async calm(): Promise<void> {
    const { app } = this.#world.programs;
    await firstAnswer(this.client, SERVICE, app);
    await until('every callee answers, and nothing fails', async () => {
      const load = { to: SERVICE, rate: 100, seconds: 1 };
      const { failed, late, versions } = await offer(this.client, load, app);
      const all = this.callees.every(({ spec }) => (versions[spec.name] ?? 0) > 0);
      if (failed > 0 || late > 0 || !all) throw new Error(`${failed} failed, ${late} late`);
    });
  }

  /** Sends everything, and puts a fault in and takes it away meanwhile. */
  async under(fault: Fault): Promise<Played> {
    await this.calm();
    await Promise.all([this.near.take(), this.far.take()]);
    const running = begin(this.client, { to: SERVICE, seconds: MIXED_SECONDS }, this.#world);
    // What is left of a row that fails would be a fault, and load, of those after it.
    try {
      return await this.#play(fault, running);
    } finally {
      await running.stop();
    }
  }

  async #play(fault: Fault, running: Running): Promise<Played> {
    await sleep(BEFORE_MILLIS);
    const began = Date.now();
    const seen = await during(fault, this);
    const ended = Date.now();
    const traffic = await running.over();
    const recovery = badAfter(traffic, ended);
    const wrong = [
      ...fault.wrong(traffic),
      ...(seen.real ? [] : [`there was no fault: ${seen.what}`]),
      ...(recovery <= fault.recoverySeconds ? [] : [`not recovered within ${fault.recoverySeconds} s`]),
    ];
    return { traffic, hurt: badAfter(traffic, began), recovery, seen: seen.what, wrong };
  }

  async close(failed: boolean): Promise<void> {
    await this.#world.close(failed);
    await Promise.all([this.near.remove(), this.far.remove()]);
  }
}

/** Puts a fault in and takes it away, whatever happens meanwhile; what shows that it was there. */
async function during(fault: Fault, on: Network): Promise<Awaited<ReturnType<Fault['seen']>>> {
  try {
    await fault.begin(on);
    await sleep(DURING_MILLIS);
    return await fault.seen(on);
  } finally {
    await fault.end(on);
  }
}

/** Something that happens to a network for a while. */
export interface Fault {
  readonly begin: (on: Network) => Promise<void>;
  /** Also of one whose beginning failed, perhaps half way. */
  readonly end: (on: Network) => Promise<void>;
  /** Asked before its end: whether it really happened, and how that shows. */
  readonly seen: (on: Network) => Promise<{ readonly real: boolean; readonly what: string }>;
  /** Longest that requests may fail or be late after its end. */
  readonly recoverySeconds: number;
  /** What is not as promised. */
  readonly wrong: (traffic: Traffic) => readonly string[];
}

/** What a promise that none of these kinds is lost has to say of traffic. */
export function noneLost(...kinds: readonly Kind[]): (traffic: Traffic) => readonly string[] {
  return (traffic) =>
    kinds.flatMap((kind) => {
      const lost = lostOf(traffic, kind);
      return lost === 0 ? [] : [`${lost} ${kind} lost`];
    });
}

/** What a promise that fewer than so many of some kinds are lost has to say of traffic. */
export function fewerLost(than: number, ...kinds: readonly Kind[]): (traffic: Traffic) => readonly string[] {
  return (traffic) => {
    const lost = lostOf(traffic, ...kinds);
    return lost < than ? [] : [`${lost} of ${kinds.join(', ')} lost, not fewer than ${than}`];
  };
}

export function carried(
  what: keyof Carried,
  count: Carried,
): { readonly real: boolean; readonly what: string } {
  return {
    real: count[what] > 0,
    what: `${count[what]} of ${count.passed + count.lost + count.tooLong + count.cut} packets ${WORDS[what]}`,
  };
}

const WORDS: Readonly<Record<keyof Carried, string>> = {
  passed: 'passed',
  lost: 'lost',
  delayed: 'delayed',
  reordered: 'overtaken',
  tooLong: 'too long',
  cut: 'swallowed',
};
