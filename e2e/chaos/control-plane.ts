import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../netns/process.js';
import { firstAnswer, offer } from '../scenarios/load.js';
import { PORTS } from '../scenarios/objects.js';
import type { Pod } from '../scenarios/pod.js';
import { replicas } from '../scenarios/replicas.js';
import { World, type Programs } from '../scenarios/world.js';
import { Plane } from './plane/plane.js';
import type { Played } from './row.js';
import { KINDS, type Running, badAfter, begin, lostOf } from './traffic.js';

/** What the caller calls. */
export const SERVICE = '10.96.0.5';
const REPLICAS = 3;
/** Longest that anything is waited for; what is promised is shorter. */
const PATIENCE_SECONDS = 60;
/** So many in a row, over connections of their own, find every thread of the proxy. */
const ASKED = 6;

/** Three replicas of the control plane, a caller and what it calls. */
export class ControlPlaneGround {
  readonly world: World<Plane>;
  readonly client: Pod;
  #mark = 0;
  #pods = 0;

  private constructor(world: World<Plane>, client: Pod) {
    this.world = world;
    this.client = client;
  }

  static async open(programs: Programs & { readonly bundle: string }): Promise<ControlPlaneGround> {
    const { bundle, proxy } = programs;
    const world = await World.under(programs, (api, directory, signal) =>
      Plane.start({ count: REPLICAS, bundle, proxy }, { api, directory, signal }),
    );
    world.service('reviews', SERVICE);
    const [client] = await world.start(
      { name: 'client', app: 'web' },
      ...replicas('reviews', 2, () => ({ latencyMillis: 5, spread: 0.5 })),
    );
    return new ControlPlaneGround(world, client);
  }

  /** Sends everything while a fault lasts. Asks for a policy and a new pod during it, where they are promised, and after it. */
  async under(fault: PlaneFault): Promise<Played> {
    const { plane, programs } = this.world;
    await plane.settled();
    await firstAnswer(this.client, SERVICE, programs.app);
    await this.calm();
    const running = begin(this.client, { to: SERVICE, seconds: 600 }, this.world);
    await sleep(1000);
    try {
      return await this.#play(fault, running);
    } finally {
      await running.stop();
    }
  }

  async #play(fault: PlaneFault, running: Running): Promise<Played> {
    const said: string[] = [];
    const wrong: string[] = [];
    const judge = (what: string, took: number, most: number): void => {
      said.push(`${what} after ${took.toFixed(1)} s`);
      if (took > most) wrong.push(`${what} only after ${took.toFixed(1)} s, more than ${most}`);
    };
    const { plane } = this.world;
    const restarts = plane.restarts;
    const began = Date.now();
    try {
      await fault.begin(this);
      if (fault.meanwhile !== undefined) {
        judge('a policy acted', await this.policy(), fault.meanwhile.policySeconds);
        judge('a new pod served', await this.newPod(), fault.meanwhile.podSeconds);
      }
      await sleep(Math.max(0, began + fault.seconds * 1000 - Date.now()));
      const { real, what } = await fault.seen(this);
      said.unshift(what);
      if (!real) wrong.push(`there was no fault: ${what}`);
    } finally {
      await fault.end(this);
    }
    const recovery = await this.policy();
    judge('after its end a policy acted', recovery, fault.recoverySeconds);
    judge('after its end a new pod served', await this.newPod(), fault.recoverySeconds);
    const traffic = await running.stop();
    for (const kind of KINDS)
      if (lostOf(traffic, kind) > 0) wrong.push(`${lostOf(traffic, kind)} ${kind} lost`);
    wrong.push(...this.crashed(restarts, fault.restarts?.() ?? 0));
    return { traffic, hurt: badAfter(traffic, began), recovery, seen: said.join('; '), wrong };
  }

  /** What is wrong where the kubelet has started more containers again, after so many before, than a fault has ended: those crashed. */
  crashed(before: number, made = 0): readonly string[] {
    const crashes = this.world.plane.restarts - before - made;
    return crashes > 0 ? [`replicas crashed, ${crashes} times`] : [];
  }

  async calm(): Promise<void> {
    await until('nothing fails', async () => {
      const load = { to: SERVICE, rate: 50, seconds: 0.5 };
      const { failed } = await offer(this.client, load, this.world.programs.app);
      if (failed > 0) throw new Error(`${failed} failed`);
    });
  }

  /** Applies a policy; seconds until the caller's proxy acts by it. */
  async policy(): Promise<number> {
    const mark = String((this.#mark += 1));
    const began = Date.now();
    this.world.apply(policyWith(mark));
    await until('the policy acts', () => this.#isMarked(mark), PATIENCE_SECONDS);
    return (Date.now() - began) / 1000;
  }

  /** What the newest policy has responses say in `x-mark`. */
  get mark(): string {
    return String(this.#mark);
  }

  async #isMarked(mark: string): Promise<void> {
    for (let asked = 0; asked < ASKED; asked++) {
      const { headers } = await ask(this.client, this.world.programs.app);
      if (headers['x-mark'] !== mark) throw new Error(`x-mark is ${headers['x-mark']}, not ${mark}`);
    }
  }

  /** Starts a pod; seconds until its proxy is ready and its first request is answered. It goes away again. */
  async newPod(): Promise<number> {
    const began = Date.now();
    const [pod] = await this.world.start({ name: `new-${(this.#pods += 1)}`, app: 'web' });
    await until('a new pod is served', async () => {
      const { status } = await ask(pod, this.world.programs.app);
      if (status !== 200) throw new Error(`status ${status}`);
    });
    const took = (Date.now() - began) / 1000;
    await pod.remove();
    pod.noticed();
    return took;
  }

  async close(failed: boolean): Promise<void> {
    await this.world.close(failed);
    await this.world.plane.close();
  }
}

/** Something that happens to the control plane for a while. */
export interface PlaneFault {
  readonly begin: (on: ControlPlaneGround) => Promise<void>;
  readonly end: (on: ControlPlaneGround) => Promise<void>;
  /** Asked before its end: whether it really happened, and how that shows. */
  readonly seen: (on: ControlPlaneGround) => Promise<{ readonly real: boolean; readonly what: string }>;
  /** Asked after its end: how many containers the kubelet had to start again for it. Default: none. */
  readonly restarts?: () => number;
  /** How long it lasts at least. */
  readonly seconds: number;
  /** What is promised while it lasts; absent: nothing but that traffic goes on. */
  readonly meanwhile?: { readonly policySeconds: number; readonly podSeconds: number };
  /** Longest until a policy acts, and until a new pod is served, when it is over. */
  readonly recoverySeconds: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

export async function ask(pod: Pod, app: string): Promise<Answer> {
  return JSON.parse(await pod.run(app, 'request', '-url', `http://${SERVICE}:${PORTS.http}/`)) as Answer;
}

function policyWith(mark: string): string {
  return `apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: { name: reviews, namespace: shop, uid: reviews, generation: ${mark} }
spec:
  targetRefs: [{ kind: Service, name: reviews, port: ${PORTS.http} }]
  routes:
    - headers: { response: { set: [{ name: x-mark, value: "${mark}" }] } }
`;
}
