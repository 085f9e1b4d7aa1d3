import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PROXY_UID, type Process, asProxy, inPod, start, until } from '../e2e/netns/process.js';
import { testCa } from '../src/testing/test-ca.js';
import { envoyConfig } from './envoy.js';
import { haproxyConfig } from './haproxy.js';
import { PORTS, type PodName, SERVICE } from './pods.js';
import { HALVES, type Half, POD_OF, type Subject } from './subject.js';

/** Where each half of a peer listens for what was captured on its way to a port of the application. */
export type Listening = Readonly<Record<keyof typeof PORTS, number>>;
export const LISTENING: Readonly<Record<Half, Listening>> = {
  outbound: { http1: 15101, http2: 15102, opaque: 15103 },
  inbound: { http1: 15106, http2: 15107, opaque: 15108 },
};

/** Files of one half: key and chain, together and apart, and the roots. */
export interface Certificates {
  readonly chain: string;
  readonly key: string;
  readonly both: string;
  readonly roots: string;
}

const CHAINS: Readonly<Record<Half, string>> = { outbound: 'OUTPUT', inbound: 'PREROUTING' };

export async function envoy(program: string, directory: string): Promise<Subject> {
  const commands = (config: string): string[] => [
    program,
    '-c',
    config,
    '--concurrency',
    '1',
    '--disable-hot-restart',
    '--log-level',
    'error',
  ];
  return peer('envoy', directory, { config: envoyConfig, extension: 'json', commands });
}

export async function haproxy(directory: string): Promise<Subject> {
  const commands = (config: string): string[] => ['haproxy', '-db', '-f', config];
  return peer('haproxy', directory, { config: haproxyConfig, extension: 'cfg', commands });
}

interface Kind {
  readonly config: (half: Half, certificates: Certificates) => string;
  readonly extension: string;
  readonly commands: (config: string) => string[];
}

async function peer(name: 'envoy' | 'haproxy', directory: string, kind: Kind): Promise<Subject> {
  const configs: Record<Half, string> = { outbound: '', inbound: '' };
  const ca = await testCa();
  for (const half of HALVES) {
    const certificates = await writeCertificates(ca, join(directory, `${name}-${half}`), half);
    configs[half] = join(directory, `${name}-${half}.${kind.extension}`);
    await writeFile(configs[half], kind.config(half, certificates));
  }
  return {
    name,
    address: SERVICE,
    start: async (place) => {
      const proxies: Process[] = [];
      for (const half of HALVES) {
        await capture(half);
        const log = join(place.directory, `${half}.log`);
        proxies.push(start(POD_OF[half], asProxy(kind.commands(configs[half])), { name: half, log }));
      }
      for (const half of HALVES) {
        const port = LISTENING[half].opaque;
        await until(`${name} ${half} listens`, () => listens(POD_OF[half], port));
      }
      return proxies;
    },
  };
}

/** The same kind of certificate as Weft's, from a CA of the same depth. */
async function writeCertificates(
  ca: Awaited<ReturnType<typeof testCa>>,
  prefix: string,
  half: Half,
): Promise<Certificates> {
  const own = await ca.certificate(`spiffe://cluster.local/ns/shop/sa/${POD_OF[half]}`);
  const file = async (suffix: string, text: string): Promise<string> => {
    const path = `${prefix}-${suffix}.pem`;
    await writeFile(path, text);
    await chmod(path, 0o644);
    return path;
  };
  return {
    chain: await file('chain', own.chain),
    key: await file('key', own.privateKey),
    both: await file('both', `${own.chain}\n${own.privateKey}`),
    roots: await file('roots', ca.roots),
  };
}

/** The same kind of rules as Weft's, by port, because the peers have a listener for each protocol. */
async function capture(half: Half): Promise<void> {
  const pod = POD_OF[half];
  const rule = (...args: string[]): Promise<string> =>
    inPod(pod, 'iptables', '-t', 'nat', '-A', CHAINS[half], ...args);
  if (half === 'outbound') {
    await rule('-m', 'owner', '--uid-owner', String(PROXY_UID), '-j', 'RETURN');
    await rule('-o', 'lo', '-j', 'RETURN');
  }
  for (const protocol of ['http1', 'http2', 'opaque'] as const) {
    const to = String(LISTENING[half][protocol]);
    await rule('-p', 'tcp', '--dport', String(PORTS[protocol]), '-j', 'REDIRECT', '--to-ports', to);
  }
}

async function listens(pod: PodName, port: number): Promise<void> {
  await inPod(pod, 'bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`);
}
