import { followService, tcpPort } from './backend-ref.js';
import { BackendTable } from './backend-table.js';
import { backendTlsOn } from './backend-tls-on.js';
import { compilePod, podDestinationKey } from './compile-pod.js';
import type {
  CompiledDestination,
  Destination,
  DestinationRef,
  Mirror,
  Protocol,
  Route,
} from '../words/destination.js';
import { endpointChoice, isKeyed } from './endpoint-choice.js';
import { featuresOf } from './features.js';
import { type Decided, decide } from './decide.js';
import { dirtyMtls, dirtyService } from '../words/keys.js';
import { mtlsOn } from './mtls-on.js';
import type { Mesh } from '../tables/mesh.js';
import type { MirrorEntry, PolicyRef, PolicyRoute, SplitEntry } from '../words/policy.js';
import { completed } from './backend-policies.js';
import { besideRoutes } from './beside-routes.js';
import { routeOn } from './route-on.js';
import { declaredProtocol, protocolInside } from '../words/protocol.js';
import type { ServicePort } from '../words/service.js';
import type { Workload } from '../words/workload.js';

type ServiceRef = Extract<DestinationRef, { kind: 'service' }>;

/**
 * What a caller in a namespace needs to reach a destination, or undefined when it is gone. Callers without an overlay
 * of their own share one result, whose key ends in `-`.
 */
export function compileDestination(
  mesh: Mesh,
  ref: DestinationRef,
  consumerNamespace: string,
): CompiledDestination | undefined {
  return ref.kind === 'pod' ? compilePod(mesh, ref) : compileService(mesh, ref, consumerNamespace);
}

/** The key `compileDestination` would give, without the work: a cache looks here first. */
export function destinationKey(
  mesh: Mesh,
  ref: DestinationRef,
  consumerNamespace: string,
): string | undefined {
  if (ref.kind === 'pod') return podDestinationKey(mesh, ref);
  const service = mesh.services.get(ref.service);
  const port = service === undefined ? undefined : tcpPort(service, ref.port);
  if (service === undefined || port === undefined) return undefined;
  return serviceDestinationKey(mesh, ref, decide(mesh, service, port, consumerNamespace));
}

function compileService(
  mesh: Mesh,
  ref: ServiceRef,
  consumerNamespace: string,
): CompiledDestination | undefined {
  const service = mesh.services.get(ref.service);
  const port = service === undefined ? undefined : tcpPort(service, ref.port);
  if (service === undefined || port === undefined) return undefined;
  const decided = decide(mesh, service, port, consumerNamespace);
  const keyed = isKeyed(decided.policy);
  const table = new BackendTable(mesh, { service: ref.service, port: ref.port, family: ref.family, keyed });
  // A TCPRoute is about connections, whatever is in them.
  const protocol = decided.kind === 'TCPRoute' ? 'opaque' : protocolOf(mesh, ref, port, table);
  const given = compileRoutes(mesh, ref, table, decided.routes());
  const routes = besideRoutes(given, { kind: decided.kind, protocol, table });
  const key = serviceDestinationKey(mesh, ref, decided);
  const choice = endpointChoice(service, decided.policy);
  const destination: Destination = {
    criticalFeatures: featuresOf({ routes, backends: table.backends }, choice),
    key,
    target: { kind: 'service', namespace: service.namespace, name: service.name, port: ref.port },
    protocol,
    endpoints: table.endpoints,
    backends: table.backends,
    routes,
    ...choice,
    ...(routes.some(({ session }) => session !== undefined) ? sessionKeyOf(mesh) : {}),
    ...(table.tls.length > 0 ? { tls: table.tls } : {}),
  };
  const services = new Set([ref.service, ...table.services]);
  const mtls = mtlsOfAll(mesh, table.workloads.values());
  const depends = ['mesh' as const, ...[...services].map(dirtyService), ...mtls.depends];
  return { key, destination, sources: [...decided.sources, ...mtls.sources, ...table.tlsPolicies], depends };
}

/** The dialled family stands in the key where it is not the Service's first, because it decides the endpoints. */
function serviceDestinationKey(mesh: Mesh, ref: ServiceRef, { consumer }: Decided): string {
  const { cluster, network } = mesh.settings;
  const family = ref.family === undefined ? '' : `,${ref.family}`;
  return `${cluster}/${network}/${ref.service}:${ref.port}${family}/${consumer}`;
}

function sessionKeyOf({ sessionKey }: Mesh): Pick<Destination, 'sessionKey'> {
  return sessionKey === undefined ? {} : { sessionKey };
}

/** Who decides whether callers of these pods use mutual TLS. */
function mtlsOfAll(
  mesh: Mesh,
  workloads: Iterable<Workload>,
): Pick<CompiledDestination, 'sources' | 'depends'> {
  const sources = new Map<string, PolicyRef>();
  const namespaces = new Set<string>();
  for (const workload of workloads) {
    namespaces.add(workload.key.namespace);
    for (const ref of mtlsOn(mesh, workload).sources) sources.set(ref.uid, ref);
  }
  return { sources: [...sources.values()], depends: [...namespaces].map(dirtyMtls) };
}

const WHOLE_SERVICE: SplitEntry = { weight: 1, fallback: false, field: '' };

function compileRoutes(
  mesh: Mesh,
  { service, port }: ServiceRef,
  table: BackendTable,
  routes: readonly PolicyRoute[],
): readonly Route[] {
  const given = routes.length === 0 ? [DEFAULT_ROUTE] : routes;
  const here = given.flatMap((route) => routeOn(route, port)).map((route) => completed(mesh, service, route));
  if (here.length === 0) return [NO_ROUTE];
  return here.map(({ name, matches, split, mirrors, ...rest }) => ({
    ...rest,
    name,
    matches,
    split: rest.actions?.answer === undefined ? compileSplit(table, split) : [],
    ...(mirrors === undefined ? {} : { mirrors: mirrors.map((entry) => compileMirror(table, entry)) }),
  }));
}

/** Where nobody says anything: every request goes to the Service itself. */
const DEFAULT_ROUTE: PolicyRoute = { name: 'default', matches: [], split: [] };

/** Stands for routes that all ask for other ports: a request meets none, as where none matches. */
const NO_ROUTE: Route = {
  name: 'none',
  matches: [],
  split: [],
  actions: {
    answer: {
      kind: 'direct',
      status: 404,
      body: 'weft: no route of the policy is for this port\n',
      contentType: 'text/plain; charset=utf-8',
    },
  },
};

function compileMirror(table: BackendTable, entry: MirrorEntry): Mirror {
  const { portion, compare } = entry;
  return { backend: table.place(entry), portion, ...(compare === undefined ? {} : { compare }) };
}

function wholeService(table: BackendTable): Route['split'] {
  return [{ backend: table.place(WHOLE_SERVICE), weight: 1 }];
}

function compileSplit(table: BackendTable, split: readonly SplitEntry[]): Route['split'] {
  if (split.length === 0) return wholeService(table);
  return split.map((entry) => ({
    backend: table.place(entry),
    weight: entry.weight,
    ...(entry.headers === undefined ? {} : { headers: entry.headers }),
  }));
}

/** Bytes, when every pod behind the port says so; else what the Service declares. */
function protocolOf(mesh: Mesh, ref: ServiceRef, port: ServicePort, table: BackendTable): Protocol {
  const candidates = table.candidatesOf(followService(mesh, ref.service, ref.port));
  if (candidates.length > 0 && candidates.every((candidate) => candidate.bytesOnly)) return 'opaque';
  return backendTlsOn(mesh, ref.service, port) === undefined ? declaredProtocol(port) : protocolInside(port);
}
