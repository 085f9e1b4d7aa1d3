import { chmod, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { analyze } from '../../src/api/index.js';
import { ApiServer, type StoredObject } from '../../src/testing/index.js';
import { type ControlPlane, startControlPlane } from './control-plane.js';
import { NODE } from '../netns/network.js';
import { COLLECTIONS, node, service } from './objects.js';
import { Pod, type PodSpec } from './pod.js';

/** Programs that a world starts. */
export interface Programs {
  /** Path of weft-proxy. */
  readonly proxy: string;
  /** Path of the test application. */
  readonly app: string;
}

/** Where proxies find the control plane. */
export interface PlaneAddress {
  /** Default: the node. */
  readonly host?: string;
  readonly csrPort: number;
  readonly configPort: number;
}

/**
 * A small cluster: an API server with Services, EndpointSlices and policies in it, the real control plane that reads
 * them, and pods of real processes. Objects change as the kubelet and the controllers of Kubernetes would change them.
 */
export class World<P extends PlaneAddress = PlaneAddress> {
  readonly api: ApiServer;
  readonly programs: Programs;
  readonly directory: string;
  readonly plane: P;
  readonly #ending: AbortController;
  readonly #pods = new Map<string, Pod>();
  #addresses = 10;

  private constructor(
    parts: Pick<World<P>, 'api' | 'programs' | 'directory' | 'plane'>,
    ending: AbortController,
  ) {
    this.api = parts.api;
    this.programs = parts.programs;
    this.directory = parts.directory;
    this.plane = parts.plane;
    this.#ending = ending;
  }

  /** With the control plane in this process. */
  static async open(programs: Programs): Promise<World<ControlPlane>> {
    return World.#make(programs, '127.0.0.1', (api, directory, signal) =>
      startControlPlane(api.url, directory, signal),
    );
  }

  /** With another control plane, which reaches the API server at the node and writes `bundle.pem` into the directory. */
  static async under<Q extends PlaneAddress>(
    programs: Programs,
    startPlane: (api: ApiServer, directory: string, signal: AbortSignal) => Promise<Q>,
  ): Promise<World<Q>> {
    return World.#make(programs, NODE, startPlane);
  }

  static async #make<Q extends PlaneAddress>(
    programs: Programs,
    host: string,
    startPlane: (api: ApiServer, directory: string, signal: AbortSignal) => Promise<Q>,
  ): Promise<World<Q>> {
    const directory = await mkdtemp('/run/weft-world-');
    await chmod(directory, 0o755);
    const ending = new AbortController();
    const api = await ApiServer.start(host);
    const plane = await startPlane(api, directory, ending.signal).catch(async (thrown: unknown) => {
      await printLogs(directory);
      throw thrown;
    });
    return new World({ api, programs, directory, plane }, ending);
  }

  /** Starts pods at the same time, and waits until all of them are ready. Each zone has a node of its own. */
  async start<const T extends readonly PodSpec[]>(...specs: T): Promise<{ [K in keyof T]: Pod }> {
    for (const { zone } of specs) if (zone !== undefined) this.api.put(COLLECTIONS.nodes, node(zone));
    const pods = await Promise.all(specs.map((spec) => this.#start(spec)));
    return pods as { [K in keyof T]: Pod };
  }

  async #start(spec: PodSpec): Promise<Pod> {
    const number = ++this.#addresses;
    const place = { address: `10.99.${1 + (number >> 8)}.${number & 255}`, directory: this.directory };
    const pod = new Pod(spec, place, this);
    this.#pods.set(spec.name, pod);
    await pod.start();
    return pod;
  }

  /** Pods in front of which the Service stands, as its selector finds them. */
  podsOf(app: string): readonly Pod[] {
    return [...this.#pods.values()].filter((pod) => pod.spec.app === app && pod.phase !== 'gone');
  }

  /** Pods of the kind `app` behind an address, on the ports of a target. */
  service(app: string, clusterIP: string): void {
    this.api.put(COLLECTIONS.services, service(app, clusterIP));
  }

  /** Applies YAML as the API server would take it: what `weft analyze` finds fault with is refused. */
  apply(yaml: string): void {
    for (const document of parseAllDocuments(yaml)) {
      const object = document.toJS() as StoredObject;
      const [finding] = analyze([object]);
      if (finding !== undefined)
        throw new Error(`${finding.object}, ${finding.path}: ${finding.message}`, { cause: 'refused' });
      this.api.put(object.kind === 'MeshConfig' ? COLLECTIONS.meshConfigs : COLLECTIONS.policies, object);
    }
  }

  /** Ends everything; the logs of what went on are printed when `failed`. */
  async close(failed: boolean): Promise<void> {
    this.#ending.abort();
    await Promise.all([...this.#pods.values()].map((pod) => pod.remove()));
    await this.api.stop();
    if (failed) await printLogs(this.directory);
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function printLogs(directory: string): Promise<void> {
  for (const log of (await readdir(directory)).filter((name) => name.endsWith('.log'))) {
    const text = await readFile(join(directory, log), 'utf8');
    if (text !== '') console.error(`--- ${log}\n${text.slice(-4000)}`);
  }
}
