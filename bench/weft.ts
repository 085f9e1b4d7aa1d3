import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PROXY_READY, startProxy } from '../e2e/netns/proxy.js';
import { type Process, until } from '../e2e/netns/process.js';
import { DEFAULT_SETTINGS, MeshTables, type Policy, type ServicePort } from '../src/model/index.js';
import { type TestControlPlane, startTestControlPlane } from '../src/testing/control-plane.js';
import { aService, aSplitPolicy, aWorkload, anEndpointSet } from '../src/testing/mesh-fixture.js';
import { PODS, PORTS, SERVICE } from './pods.js';
import { HALVES, type Half, POD_OF, type Subject, millisUntil } from './subject.js';

const PORT_LIST: readonly ServicePort[] = (
  [
    ['http1', 'http'],
    ['http2', 'h2c'],
    ['opaque', 'tcp'],
    ['webSocket', 'http'],
    ['grpc', 'grpc'],
  ] as const
).map(([name, appProtocol]) => ({
  name: name.toLowerCase(),
  port: PORTS[name],
  targetPort: PORTS[name],
  protocol: 'TCP',
  appProtocol,
}));

/** What is not as it ships. */
export interface Choices {
  /** A command to run a half under, such as a profiler. */
  readonly under?: (half: Half) => string;
  /** The server has no proxy: one hop, plain text behind it. */
  readonly plain?: boolean;
  /** So many routes, the last of which takes every request. */
  readonly routes?: number;
  readonly retries?: boolean;
  /** Environment of both proxies. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Environment of the receiver alone. */
  readonly receiver?: Readonly<Record<string, string>>;
}

/**
 * Milliseconds between what a proxy says when it has its certificate and when it is up. It does not wait for what it logs to
 * be written, so it may be ready before the log says so.
 */
async function millisFromCertificate(log: string): Promise<number> {
  const text = await readFile(log, 'utf8');
  const at = (says: string): number => {
    const line = text.split('\n').find((one) => one.includes(says));
    return Date.parse(/\d{4}-\d\d-\d\dT[\d:.]+Z/.exec(line ?? '')?.[0] ?? '');
  };
  const millis = at('proxy is up') - at('certificate obtained');
  if (Number.isNaN(millis)) throw new Error(`${log} does not say when the proxy was up:\n${text}`);
  return millis;
}

/**
 * Weft as it ships: its own init for capture, the real identity authority and config server (only the API server's
 * opinion on tokens is made up), every default feature on, but for `choices`.
 */
export async function weft(
  program: string,
  directory: string,
  signal: AbortSignal,
  choices: Choices = {},
): Promise<Subject> {
  const plane = await startTestControlPlane(twoPods(choices), directory, signal);
  return weftBelow(plane, program, directory, choices);
}

/** The same with whatever a control plane, which wrote its bundle into `directory`, tells its proxies. */
export function weftBelow(
  { csrPort, configPort }: TestControlPlane,
  program: string,
  directory: string,
  choices: Choices,
): Subject {
  return {
    name: 'weft',
    address: SERVICE,
    start: async (place) => {
      const proxies: Process[] = [];
      const waits: Promise<number>[] = [];
      for (const half of choices.plain ? (['outbound'] as const) : HALVES) {
        const pod = POD_OF[half];
        const files = { directory: place.directory, bundle: join(directory, 'bundle.pem') };
        const { under, receiver = {} } = choices;
        const own = half === 'inbound' ? receiver : {};
        const settings = { WEFT_LOG: 'info', ...choices.settings, ...own };
        const given = { pod, serviceAccount: pod, address: PODS[pod], drainSeconds: 1, settings };
        const where = { program, csrPort, configPort, ...files, ...given, under: under?.(half) };
        proxies.push({ ...(await startProxy(where)), name: half });
        waits.push(millisUntil(pod, PROXY_READY));
      }
      const millisToReady = Math.max(...(await Promise.all(waits)));
      const logs = proxies.map(({ name }) => join(place.directory, `${POD_OF[name as Half]}.log`));
      const since = await Promise.all(
        logs.map((log) => until(`${log} says when the proxy was up`, () => millisFromCertificate(log), 10)),
      );
      return { proxies, millisToReady, millisFromCertificate: Math.max(...since) };
    },
  };
}

function twoPods(choices: Choices): MeshTables {
  const mesh = new MeshTables(DEFAULT_SETTINGS);
  mesh.services.set(aService({ name: 'server', clusterIPs: [SERVICE], ports: PORT_LIST }));
  for (const [pod, ip] of Object.entries(PODS)) {
    const meshed = !(choices.plain && pod === 'server');
    mesh.workloads.set(aWorkload({ uid: pod, ips: [ip], serviceAccount: pod, meshed }));
  }
  const ports = PORT_LIST.map(({ name, port }) => ({ name, port, protocol: 'TCP' as const }));
  mesh.endpointSets.set({ ...anEndpointSet('server', { server: PODS.server }), ports });
  if (choices.routes !== undefined || choices.retries) mesh.policies.set(policy(choices));
  return mesh;
}

/** Routes by path, behind which one takes everything. */
function policy({ routes = 1, retries = false }: Choices): Policy {
  const split = aSplitPolicy('server', {});
  const [last] = split.routes;
  if (last === undefined) throw new Error('a policy without a route');
  const others = Array.from({ length: routes - 1 }, (_, index) => ({
    ...last,
    name: `route-${index}`,
    split: [],
    matches: [{ headers: [], path: { kind: 'prefix' as const, value: `/path-${index}` } }],
  }));
  const again = { attempts: 2, on: ['5xx'], statuses: [], methods: ['GET'] };
  const all = [...others, { ...last, split: [], matches: [] }];
  return { ...split, routes: all.map((route) => (retries ? { ...route, retries: again } : route)) };
}
