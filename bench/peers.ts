import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PROXY_UID, type Process, asProxy, inPod, start } from '../e2e/netns/process.js';
import { testCa } from '../src/testing/test-ca.js';
import { type EnvoyExtras, envoyConfig } from './envoy.js';
import { haproxyConfig } from './haproxy.js';
import { PORTS, SERVICE } from './pods.js';
import { HALVES, type Half, POD_OF, type Subject, millisUntil } from './subject.js';

/** Where each half of a peer listens for what was captured on its way to a port of the application. */
export type Listening = Readonly<Record<keyof typeof PORTS, number>>;
export const LISTENING: Readonly<Record<Half, Listening>> = {
  outbound: { http1: 15101, http2: 15102, opaque: 15103, webSocket: 15104, grpc: 15105 },
  inbound: { http1: 15131, http2: 15132, opaque: 15133, webSocket: 15134, grpc: 15135 },
};

/** Files of one half: key and chain, together and apart, and the roots. */
export interface Certificates {
  readonly chain: string;
  readonly key: string;
  readonly both: string;
  readonly roots: string;
}

const CHAINS: Readonly<Record<Half, string>> = { outbound: 'OUTPUT', inbound: 'PREROUTING' };

export async function envoy(
  program: string,
  directory: string,
  plain = false,
  extras: Partial<Record<Half, EnvoyExtras>> = {},
): Promise<Subject> {
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
  const config: Kind['config'] = (half, certificates, one) =>
    envoyConfig(half, certificates, one, extras[half]);
  return peer('envoy', directory, { config, extension: 'json', commands, plain });
}

export async function haproxy(directory: string, plain = false): Promise<Subject> {
  const commands = (config: string): string[] => ['haproxy', '-db', '-f', config];
  return peer('haproxy', directory, { config: haproxyConfig, extension: 'cfg', commands, plain });
}

interface Kind {
  readonly config: (half: Half, certificates: Certificates, plain: boolean) => string;
  readonly extension: string;
  readonly commands: (config: string) => string[];
  /** One proxy only, and plain text behind it. */
  readonly plain: boolean;
}

async function peer(name: 'envoy' | 'haproxy', directory: string, kind: Kind): Promise<Subject> {
  const configs: Record<Half, string> = { outbound: '', inbound: '' };
  const ca = await testCa();
  const halves = kind.plain ? (['outbound'] as const) : HALVES;
  for (const half of halves) {
    const certificates = await writeCertificates(ca, join(directory, `${name}-${half}`), half);
    configs[half] = join(directory, `${name}-${half}.${kind.extension}`);
    await writeFile(configs[half], kind.config(half, certificates, kind.plain));
  }
  return {
    name,
    address: SERVICE,
    start: async (place) => {
      const proxies: Process[] = [];
      const waits: Promise<number>[] = [];
      for (const half of halves) {
        await capture(half);
        const log = join(place.directory, `${half}.log`);
        proxies.push(start(POD_OF[half], asProxy(kind.commands(configs[half])), { name: half, log }));
        waits.push(millisUntil(POD_OF[half], `exec 3<>/dev/tcp/127.0.0.1/${LISTENING[half].opaque}`));
      }
      return { proxies, millisToReady: Math.max(...(await Promise.all(waits))) };
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
  for (const protocol of Object.keys(PORTS) as (keyof typeof PORTS)[]) {
    const to = String(LISTENING[half][protocol]);
    await rule('-p', 'tcp', '--dport', String(PORTS[protocol]), '-j', 'REDIRECT', '--to-ports', to);
  }
}
