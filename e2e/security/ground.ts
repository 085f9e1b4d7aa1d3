import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { analyze } from '../../src/api/index.js';
import type { ServerIdentity } from '../../src/grpc/index.js';
import { stop, start, until, type Process } from '../netns/process.js';
import { NAMESPACE, COLLECTIONS, PORTS, slice } from '../scenarios/objects.js';
import type { ControlPlane } from '../scenarios/control-plane.js';
import { World, type Programs } from '../scenarios/world.js';
import { send, type Address, type Answer, type Form, type Wire } from './wires.js';
import type { StoredObject } from '../../src/testing/index.js';

const ROLES = '/apis/weft.dev/v1alpha1/meshroles';
const BINDINGS = '/apis/weft.dev/v1alpha1/meshrolebindings';
const NAMESPACES = '/api/v1/namespaces';

/** So many connections find each thread of a proxy that has two, but once in a thousand times. */
export const CONNECTIONS = 12;

/** A port that no Service declares. */
export const UNDECLARED = 8090;

/** What a binding grants or denies, to whom. */
export interface Rules {
  readonly byDefault: 'Allow' | 'Deny';
  /** By the name of a binding: its spec without `roleRef`, and the rules of its role. */
  readonly bindings: Readonly<Record<string, { readonly spec: object; readonly rules: readonly object[] }>>;
}

/**
 * A pod `server` with our proxy in it, the real control plane that tells it who may ask what, and behind the proxy an application
 * that records every byte.
 */
export class Ground {
  readonly world: World<ControlPlane>;
  readonly #applications: Process[];
  readonly #record: string;
  readonly #address: string;
  readonly #put: { readonly collection: string; readonly name: string }[] = [];
  #labels: Readonly<Record<string, string>> = {};
  #version = 0;
  #read = 0;

  private constructor(
    world: World<ControlPlane>,
    parts: { application: Process; record: string; address: string },
  ) {
    this.world = world;
    this.#applications = [parts.application];
    this.#record = parts.record;
    this.#address = parts.address;
  }

  static async open(programs: Programs): Promise<Ground> {
    const world = await World.open(programs);
    world.service('server', '10.96.0.5');
    const [pod] = await world.start({ name: 'server', app: 'server' });
    const record = join(world.directory, 'record.jsonl');
    const ports = [...Object.values(PORTS), UNDECLARED].map(String);
    const command = [process.execPath, resolve('e2e/security/recorder.mjs'), record, ...ports];
    const application = start('server', command, {
      name: 'server-app',
      log: join(world.directory, 'app.log'),
    });
    const listed = [{ name: 'server', address: pod.address, phase: 'ready' as const }];
    world.api.put(COLLECTIONS.endpointSlices, slice('server', listed));
    return new Ground(world, { application, record, address: pod.address });
  }

  at(port: keyof typeof PORTS | 'undeclared' | number): Address {
    if (typeof port === 'number') return { host: this.#address, port };
    return { host: this.#address, port: port === 'undeclared' ? UNDECLARED : PORTS[port] };
  }

  /** Starts one more application in the pod, until the end. */
  run(name: string, command: readonly string[]): void {
    this.#applications.push(
      start('server', command, { name, log: join(this.world.directory, `${name}.log`) }),
    );
  }

  /** A certificate of the mesh for a service account: `web` of namespace `shop` unless it is said otherwise. */
  async certificate(account = 'web', namespace = NAMESPACE): Promise<ServerIdentity> {
    return this.world.plane.ca.certificate(`spiffe://cluster.local/ns/${namespace}/sa/${account}`);
  }

  /** Puts rules in force in place of those before, and waits until the proxy judges by them. What both allow is allowed throughout. */
  async rule({ byDefault, bindings }: Rules): Promise<void> {
    const before = this.#put.splice(0);
    this.#version += 1;
    this.label({ 'weft.dev/default-access': byDefault });
    for (const [name, { spec, rules }] of Object.entries(bindings)) this.put(name, spec, rules);
    for (const { collection, name } of before)
      this.world.api.remove(collection, { namespace: NAMESPACE, name });
    // Objects of a kind arrive in their order: when the last binding acts, with the last role, so do the others.
    const gate = byDefault === 'Deny' ? 'Allow' : 'Deny';
    const anyone = [{ caller: 'Anyone' }];
    this.put('gate', { effect: gate, subjects: anyone }, [
      { services: ['server'], ports: [PORTS.http], paths: [`/gate-${this.#version}`] },
    ]);
    const open = async (path: string): Promise<boolean> => {
      const answer = await send(this.at('http'), 'plain', undefined, { target: path });
      return answer?.status === 200;
    };
    const judged = async (): Promise<void> => {
      const [gated, other] = [await open(`/gate-${this.#version}`), await open(`/other-${this.#version}`)];
      if (gated !== (gate === 'Allow') || other === (gate === 'Allow'))
        throw new Error(`gate ${gated}, other ${other}`);
    };
    // Each thread of the proxy is told by itself, and which of them takes a connection is the kernel's choice.
    const often = async (): Promise<void> => {
      await Promise.all(Array.from({ length: CONNECTIONS }, judged));
    };
    await until('the rules are in force', often, 20);
    await this.arrived();
  }

  /** Labels of the namespace, beside those that it has. */
  label(labels: Readonly<Record<string, string>>): void {
    this.#labels = { ...this.#labels, ...labels };
    this.world.api.put(NAMESPACES, {
      metadata: { name: NAMESPACE, uid: NAMESPACE, labels: this.#labels },
    });
  }

  /** Adds a binding and its role of the same name. */
  put(binding: string, spec: object, rules: readonly object[]): void {
    const name = `${binding}-${this.#version}`;
    this.#put.push({ collection: ROLES, name }, { collection: BINDINGS, name });
    this.apply(ROLES, 'MeshRole', name, { rules });
    this.apply(BINDINGS, 'MeshRoleBinding', name, { ...spec, roleRef: { kind: 'MeshRole', name } });
  }

  /** Writes an object of the namespace as the API server would take it. */
  apply(collection: string, kind: string, name: string, spec: object): void {
    const metadata = { name, namespace: NAMESPACE, uid: `${kind}/${name}`, generation: 1 };
    const object: StoredObject = { apiVersion: 'weft.dev/v1alpha1', kind, metadata, spec };
    const [finding] = analyze([object]);
    if (finding !== undefined) throw new Error(`${finding.object}, ${finding.path}: ${finding.message}`);
    this.world.api.put(collection, object);
  }

  /** What has reached the application since it was asked last, by port. */
  async arrived(): Promise<readonly { readonly port: number; readonly bytes: string }[]> {
    const lines = (await readFile(this.#record, 'utf8').catch(() => ''))
      .split('\n')
      .filter((line) => line !== '');
    const fresh = lines.slice(this.#read);
    this.#read = lines.length;
    return fresh.map((line) => JSON.parse(line) as { port: number; bytes: string });
  }

  async close(failed: boolean): Promise<void> {
    await stop(this.#applications);
    await this.world.close(failed);
  }
}

/** Sends forms over a wire, several at once, each with a mark by which it is known if it arrives. */
export async function sendAll<T extends Form>(
  at: Address,
  wire: Wire,
  certificate: ServerIdentity | undefined,
  forms: readonly T[],
): Promise<readonly (Answer & { readonly form: T })[]> {
  const results: (Answer & { readonly form: T })[] = [];
  const queue = [...forms];
  const worker = async (): Promise<void> => {
    for (let form = queue.shift(); form !== undefined; form = queue.shift()) {
      const answer = await send(at, wire, certificate, form);
      if (answer !== undefined) results.push({ form, ...answer });
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return results;
}
