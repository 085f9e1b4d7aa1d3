import { setTimeout as sleep } from 'node:timers/promises';
import { names } from '../../../src/base/index.js';
import type { ApiServer } from '../../../src/testing/index.js';
import { until } from '../../netns/process.js';
import type { PlaneAddress } from '../../scenarios/world.js';
import { furnish, leader, writeBundle, writeKubeconfig } from './cluster.js';
import { Replica } from './replica.js';
import { PLANE_SERVICE, makeService, removeService, setEndpoints } from './service.js';

/** How often the kubelet probes, and after how many failures a replica is out of its Service: as in the chart. */
const PROBE_EVERY_MILLIS = 2000;
const PROBE_FAILURES = 3;

/** The control plane as it is installed: replicas, the Service in front of them, and a kubelet that probes and restarts them. */
export class Plane implements PlaneAddress {
  readonly host = PLANE_SERVICE;
  readonly csrPort = names.ControlPlanePort.csr;
  readonly configPort = names.ControlPlanePort.config;
  readonly replicas: readonly Replica[];
  /** Replicas whose containers are not started again when they end, as when a node is gone. */
  readonly away = new Set<Replica>();
  readonly #api: ApiServer;
  #endpoints = '';
  #watching: Promise<void> = Promise.resolve();
  #failure: unknown;

  private constructor(replicas: readonly Replica[], api: ApiServer) {
    this.replicas = replicas;
    this.#api = api;
  }

  /** Starts so many and waits until all are ready; the trust bundle is in `directory` then. */
  static async start(
    { count, bundle, proxy }: { readonly count: number; readonly bundle: string; readonly proxy: string },
    {
      api,
      directory,
      signal,
    }: { readonly api: ApiServer; readonly directory: string; readonly signal: AbortSignal },
  ): Promise<Plane> {
    const kubeconfig = await writeKubeconfig(api.url, directory);
    const programs = { bundle, proxy, kubeconfig, directory };
    const replicas = Array.from({ length: count }, (_, index) => new Replica(index + 1, programs));
    furnish(api, replicas);
    await makeService();
    const plane = new Plane(replicas, api);
    for (const replica of replicas) {
      await replica.makeNetwork();
      replica.start();
    }
    // Nobody waits for it while it goes on: it says at the next row, and at the end, that it has failed.
    plane.#watching = plane.#watch(signal).catch((thrown: unknown) => {
      plane.#failure = thrown;
    });
    await plane.settled();
    await until('there is a trust bundle', () => writeBundle(api, directory));
    return plane;
  }

  /** Waits until every replica is in the Service. */
  async settled(): Promise<void> {
    this.#throwFailure();
    await until(
      'every replica is ready',
      () =>
        this.replicas.every(({ runs, failures }) => runs && failures === 0) &&
        this.#endpoints === this.replicas.map(({ address }) => address).join()
          ? Promise.resolve()
          : Promise.reject(new Error(`ready: ${this.#endpoints}`)),
      60,
    );
  }

  /** The replica that leads, and the others. */
  roles(): { readonly leader: Replica; readonly others: readonly Replica[] } {
    const name = leader(this.#api);
    const found = this.replicas.find((replica) => replica.name === name);
    if (found === undefined) throw new Error(`no replica leads, but ${name}`);
    return { leader: found, others: this.replicas.filter((replica) => replica !== found) };
  }

  /** How often a container has been started again since it had ended, of whatever. */
  get restarts(): number {
    return this.replicas.reduce((sum, { restarts }) => sum + restarts, 0);
  }

  /** Takes all of it away, once the world has ended. Throws where the kubelet's part had failed: what was seen since then means nothing. */
  async close(): Promise<void> {
    await this.#watching;
    await Promise.all(this.replicas.map((replica) => replica.remove()));
    await removeService();
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined)
      throw new Error('replicas are not probed any more', { cause: this.#failure });
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      const began = Date.now();
      await Promise.all(this.replicas.map((replica) => this.#probe(replica)));
      const ready = this.replicas.filter(({ failures }) => failures < PROBE_FAILURES);
      const endpoints = ready.map(({ address }) => address);
      if (!isOver() && endpoints.join() !== this.#endpoints) {
        await setEndpoints(endpoints);
        this.#endpoints = endpoints.join();
      }
      await sleep(Math.max(0, PROBE_EVERY_MILLIS - (Date.now() - began)));
    }
  }

  async #probe(replica: Replica): Promise<void> {
    if (!replica.runs) {
      replica.failures = PROBE_FAILURES;
      if (this.away.has(replica)) return;
      replica.restarts += 1;
      replica.start();
    } else if (await replica.isReady()) replica.failures = 0;
    else replica.failures += 1;
  }
}
