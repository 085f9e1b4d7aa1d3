import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { NODE } from '../netns/network.js';
import { inPod, run, start, stop, until, type Process } from '../netns/process.js';
import type { Pod } from '../scenarios/pod.js';
import type { World } from '../scenarios/world.js';

const [HERE, THERE] = ['10.98.0.1', '10.98.0.2'];
const PORTS = [22, 53, 80, 443, 5432, 8443].map(String);
const TYPE_A = 1;

export interface Arrival {
  /** Address and port that were dialled. */
  readonly at: string;
  /** Empty for the connection itself. */
  readonly bytes: string;
}

/**
 * What is not the mesh: every address that is no pod is answered there, and what leaves is written down outside of the pod that it left,
 * the connection without a byte too. And a name server that says what it is told to.
 */
export class Outside {
  /** Names with the addresses they lead to. */
  readonly names = new Map<string, readonly string[]>();
  readonly pod: Pod;
  readonly #parts: readonly Process[];
  readonly #records: readonly string[];
  readonly #caller: ChildProcess;
  readonly #dns: Socket;
  readonly #waiting = new Map<number, (text: string) => void>();
  #asked = 0;
  readonly #read: number[] = [];

  private constructor(parts: {
    pod: Pod;
    parts: readonly Process[];
    records: readonly string[];
    caller: ChildProcess;
    dns: Socket;
  }) {
    this.pod = parts.pod;
    this.#parts = parts.parts;
    this.#records = parts.records;
    this.#caller = parts.caller;
    this.#dns = parts.dns;
    this.#dns.on('message', (query, from) => {
      const answer = this.#answer(query);
      this.#dns.send(answer, from.port, from.address);
    });
    if (this.#caller.stdout !== null)
      createInterface({ input: this.#caller.stdout }).on('line', (line) => {
        const { id, text } = JSON.parse(line) as { id: number; text: string };
        this.#waiting.get(id)?.(text);
        this.#waiting.delete(id);
      });
  }

  /** Lays a network beside the pods', with a pod `client` that has our proxy. */
  static async open(world: World): Promise<Outside> {
    await layNetwork();
    const dns = createSocket('udp4').bind(53, NODE);
    await once(dns, 'listening');
    const resolver = join(world.directory, 'resolv.conf');
    await writeFile(resolver, `nameserver ${NODE}\n`, { mode: 0o644 });
    // In the mount namespace of this run only.
    await run('mount', '--bind', resolver, '/etc/resolv.conf');
    const [pod] = await world.start({ name: 'client', app: 'client' });
    const records = ['outside', 'node'].map((name) => join(world.directory, `${name}.jsonl`));
    const [outside = '', node = ''] = records;
    const recorder = [process.execPath, resolve('e2e/security/outside.mjs')];
    const log = join(world.directory, 'outside.log');
    const beyond = start('outside', [...recorder, outside, ...PORTS], { name: 'outside', log });
    // The node's own address is no pod's either.
    const own = spawn(process.execPath, [...recorder.slice(1), node, ...PORTS], { stdio: 'ignore' });
    const caller = spawn(
      'ip',
      ['netns', 'exec', 'client', process.execPath, resolve('e2e/security/caller.mjs')],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    const parts = [beyond, { name: 'node', pid: own.pid ?? 0, child: own }];
    const made = new Outside({ pod, parts, records, caller, dns });
    await until('the outside listens', async () =>
      inPod('outside', 'bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/80'),
    );
    await made.left();
    return made;
  }

  /** Says something to an address, from inside of the pod, and gives what came back. */
  async say(host: string, port: number, bytes: string): Promise<string> {
    this.#asked += 1;
    const id = this.#asked;
    return new Promise((done) => {
      this.#waiting.set(id, done);
      this.#caller.stdin?.write(`${JSON.stringify({ id, host, port, bytes })}\n`);
    });
  }

  /** What has left the pod since it was asked last. */
  async left(): Promise<readonly Arrival[]> {
    const arrivals: Arrival[] = [];
    for (const [index, file] of this.#records.entries()) {
      const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
      const fresh = lines.slice(this.#read[index] ?? 0);
      this.#read[index] = lines.length;
      arrivals.push(...fresh.map((line) => JSON.parse(line) as Arrival));
    }
    return arrivals;
  }

  /** Cuts the pod off from the control plane, or takes that back. */
  async cut(off: boolean): Promise<void> {
    await this.pod.run('iptables', off ? '-I' : '-D', 'OUTPUT', '-p', 'tcp', '-d', NODE, '-j', 'REJECT');
  }

  async close(): Promise<void> {
    this.#caller.kill('SIGKILL');
    this.#dns.close();
    await stop(this.#parts);
    await this.pod.remove();
    await run('umount', '/etc/resolv.conf');
    await run('ip', 'netns', 'delete', 'outside');
  }

  #answer(query: Buffer): Buffer {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += length + 1;
    }
    const end = at + 5;
    const addresses = this.names.get(labels.join('.').toLowerCase());
    const given = query.readUInt16BE(at + 1) === TYPE_A ? (addresses ?? []) : [];
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(addresses === undefined ? 0x81_83 : 0x81_80, 2);
    head.writeUInt16BE(given.length, 6);
    head.writeUInt32BE(0, 8);
    const records = given.map((address) =>
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split('.').map(Number)]),
    );
    return Buffer.concat([head, query.subarray(12, end), ...records]);
  }
}

/** Pods' way out of the node leads into a network namespace where every address is local. */
async function layNetwork(): Promise<void> {
  await run('ip', 'netns', 'add', 'outside');
  const inside = (...args: string[]): Promise<string> => run('ip', '-n', 'outside', ...args);
  await run('ip', 'link', 'add', 'outside', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'outside');
  await run('ip', 'address', 'add', `${HERE}/30`, 'dev', 'outside');
  await run('ip', 'link', 'set', 'outside', 'up');
  await inside('link', 'set', 'lo', 'up');
  await inside('address', 'add', `${THERE}/30`, 'dev', 'eth0');
  await inside('link', 'set', 'eth0', 'up');
  // Every address is its own, and may answer, but those where the pods are.
  const table = ['table', 'local'];
  await inside('route', 'add', `${HERE}/32`, 'dev', 'eth0', 'scope', 'link', ...table);
  await inside('route', 'add', '10.99.0.0/16', 'via', HERE, 'dev', 'eth0', ...table);
  await inside('route', 'add', 'local', '0.0.0.0/0', 'dev', 'lo', ...table);
  await run('ip', 'route', 'add', 'default', 'via', THERE);
  await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
}
