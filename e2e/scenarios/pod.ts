import { join } from 'node:path';
import { ask } from '../netns/ask.js';
import { makePod, removePod } from '../netns/network.js';
import { type Process, end, inPod, start, stop, until } from '../netns/process.js';
import { proxyReady, startProxy } from '../netns/proxy.js';
import { COLLECTIONS, type Condition, NAMESPACE, PORTS, pod as podObject, slice } from './objects.js';
import type { World } from './world.js';

/** What a pod is to be. */
export interface PodSpec {
  /** At most 15 characters. */
  readonly name: string;
  /** The label `app`, and the service account; the Service of that name stands in front of it. */
  readonly app: string;
  readonly zone?: string;
  /** Arguments of the target beside its addresses; absent: no application, the pod is a client. */
  readonly target?: readonly string[];
  /** How the target behaves from its start. */
  readonly behaviour?: Behaviour;
}

/** What can be set about a target; `e2e/apps/target.go` says what each does. */
export interface Behaviour {
  readonly latencyMillis?: number;
  readonly spread?: number;
  readonly slowPercent?: number;
  readonly slowFactor?: number;
  readonly failPercent?: number;
  readonly failStatus?: number;
  readonly capacity?: number;
}

/** What a target counted since it was last asked. */
export interface Seen {
  readonly started: number;
  readonly retried: number;
  readonly late: number;
  readonly latestMillis: number;
  readonly stallMillis: number;
}

/** Longest drain, well below Kubernetes' 30 s, so that a scenario ends. */
const DRAIN_SECONDS = 8;
/** A target answers at once, unless the machine is busy beyond reason. */
const CONTROL_MILLIS = 30_000;

/** A pod: a network namespace, our proxy in it and perhaps an application. */
export class Pod {
  readonly spec: PodSpec;
  readonly address: string;
  /** What its endpoint says, `starting` before there is one and `gone` after. */
  phase: 'starting' | Condition | 'gone' = 'starting';
  readonly #world: World;
  readonly #directory: string;
  #proxy: Process | undefined;
  #application: Process | undefined;
  #network = false;

  constructor(spec: PodSpec, place: { address: string; directory: string }, world: World) {
    this.spec = spec;
    this.address = place.address;
    this.#directory = place.directory;
    this.#world = world;
  }

  /** The kubelet's part: network, init container, sidecar, application once the sidecar is ready. */
  async start(): Promise<void> {
    const { name, app, zone, target, behaviour = {} } = this.spec;
    const { address } = this;
    this.#world.api.put(
      COLLECTIONS.pods,
      podObject(name, app, { address, ...(zone === undefined ? {} : { zone }) }),
    );
    await makePod(name, address);
    this.#network = true;
    this.#proxy = await this.#startProxy();
    await until(`the proxy of ${name} is ready`, () => proxyReady(name));
    if (target === undefined) return;
    const log = join(this.#directory, `${name}-app.log`);
    const listen = Object.entries(PORTS).flatMap(([flag, port]) => [`-${flag}`, `:${port}`]);
    const flags = ['-name', name, ...listen, '-control', this.#socket, ...target];
    this.#application = start(name, [this.#world.programs.app, 'target', ...flags], { name, log });
    await until(`the application of ${name} listens`, () => this.behave(behaviour));
    this.#enter('ready');
  }

  /** The container of its proxy dies, and the kubelet starts it again. Waits until it is ready. */
  async restartProxy(): Promise<void> {
    if (this.#proxy !== undefined) await stop([this.#proxy]);
    this.#proxy = await this.#startProxy();
    await until(`the proxy of ${this.spec.name} is ready again`, () => proxyReady(this.spec.name));
  }

  /** Process id of its proxy, while there is one. */
  get proxyPid(): number | undefined {
    return this.#proxy?.pid;
  }

  /** Changes how the application behaves, from the next request on. */
  async behave(behaviour: Behaviour): Promise<void> {
    await this.#control('PUT', '/behaviour', behaviour);
  }

  /** What the application saw since it was last asked. */
  async take(): Promise<Seen> {
    return JSON.parse(await this.#control('POST', '/take', undefined)) as Seen;
  }

  /** Runs a command in the pod, as an application would. */
  async run(...command: readonly [string, ...string[]]): Promise<string> {
    return inPod(this.spec.name, ...command);
  }

  /**
   * Deleted in order. Its endpoint becomes terminating while the kubelet runs the sidecar's preStop hook and tells the
   * application to end, all at the same moment; the sidecar ends when the application and its own hook have.
   */
  async delete(): Promise<void> {
    this.#enter('terminating');
    const { proxy } = this.#world.programs;
    const drained = this.run(proxy, 'drain').catch(() => 'at its deadline, which the proxy logs');
    if (this.#application !== undefined) await end(this.#application, 'SIGTERM');
    await drained;
    if (this.#proxy !== undefined) await end(this.#proxy, 'SIGTERM');
    this.#forget();
    await this.remove();
  }

  /** Dies at once, as with its node; the endpoint stays until somebody notices. */
  async crash(): Promise<void> {
    await stop([this.#proxy, this.#application].filter((process) => process !== undefined));
    await this.#removeNetwork();
  }

  /** Its endpoint is taken away, as the endpoint controller does some time after a crash. */
  noticed(): void {
    this.#forget();
  }

  /** Takes away what is left of it. */
  async remove(): Promise<void> {
    await stop([this.#proxy, this.#application].filter((process) => process !== undefined));
    await this.#removeNetwork();
  }

  async #startProxy(): Promise<Process> {
    const { address } = this;
    const { name, app } = this.spec;
    const { host, csrPort, configPort } = this.#world.plane;
    const files = { directory: this.#directory, bundle: join(this.#directory, 'bundle.pem') };
    return startProxy({
      program: this.#world.programs.proxy,
      pod: name,
      serviceAccount: app,
      address,
      controlPlane: host,
      csrPort,
      configPort,
      drainSeconds: DRAIN_SECONDS,
      ...files,
    });
  }

  async #removeNetwork(): Promise<void> {
    if (!this.#network) return;
    this.#network = false;
    await removePod(this.spec.name);
  }

  #forget(): void {
    this.#enter('gone');
    this.#world.api.remove(COLLECTIONS.pods, { namespace: NAMESPACE, name: this.spec.name });
  }

  /** The endpoint controller's part. */
  #enter(phase: Condition | 'gone'): void {
    this.phase = phase;
    const { app } = this.spec;
    const listed = this.#world
      .podsOf(app)
      .flatMap(({ spec, address, phase: now }) =>
        now === 'ready' || now === 'terminating'
          ? [{ name: spec.name, address, zone: spec.zone, phase: now }]
          : [],
      );
    this.#world.api.put(COLLECTIONS.endpointSlices, slice(app, listed));
  }

  get #socket(): string {
    return join(this.#directory, `${this.spec.name}.sock`);
  }

  async #control(method: string, path: string, body: object | undefined): Promise<string> {
    const question = { socketPath: this.#socket, method, path, millis: CONTROL_MILLIS };
    const { status, body: said } = await ask(question, body);
    if (status !== 200) throw new Error(`${this.spec.name} ${path}: ${status} ${said}`);
    return said;
  }
}
