import { Counted } from './measures.js';
import type { SeenEdge } from './replicas.js';
import { add, noNumbers, signals, type Numbers, type Signals } from './numbers.js';

/** What a Deployment, a namespace, a Service and so on did; what it is called is in `name`. */
export interface Row {
  readonly namespace: string;
  readonly name: string;
  readonly signals: Signals;
}

/** A call from one workload or stranger to a Service. */
export interface Call extends Row {
  /** SPIFFE identity; empty for a caller that proved none. */
  readonly caller: string;
  /** `<namespace>/<name>` of the Service, or of the workload where no Service stands in front of the port. */
  readonly callee: string;
  /** Whether the callee is a Service. */
  readonly toService: boolean;
  /** Identities that answered, as far as the caller or the receiver proved them. */
  readonly servers: readonly string[];
  readonly ports: readonly string[];
  /** Whose numbers these are: the caller's count requests that never arrived, too. */
  readonly seenBy: 'caller' | 'receiver';
  readonly tls: readonly string[];
  /** Rules by which something was refused, or would have been. */
  readonly rules: readonly string[];
}

/** A route of a Service, or what it led to one backend. */
export interface RouteRow extends Row {
  /** As the proxies name them, with the labels of their pods if they matter. */
  readonly backends: readonly string[];
}

/** What a route of a Service led to one backend. */
export interface ShareRow extends Row {
  /** `<namespace>/<name>:<port>` as dialled. */
  readonly destination: string;
  readonly route: string;
  /** As the proxies name it. */
  readonly backend: string;
}

/** What callers cannot know: the receiver refused them, by which rule. */
const REFUSALS: readonly number[] = [Counted.denied, Counted.wouldDeny, Counted.wouldLimit, Counted.limited];

/** Workloads, by what their own proxies let in. */
export function byWorkload(edges: readonly SeenEdge[]): Row[] {
  return grouped(edges.filter(isInbound), ({ reporter }) => ({
    namespace: reporter.namespace,
    name: `${reporter.kind.toLowerCase()}/${reporter.name}`,
  }));
}

/** Namespaces, by what the proxies of their pods let in. */
export function byNamespace(edges: readonly SeenEdge[]): Row[] {
  return grouped(edges.filter(isInbound), ({ reporter: { namespace } }) => ({
    namespace: '',
    name: namespace,
  }));
}

/** Services, by what their callers saw, and where a caller has no proxy, by what the receiver saw. */
export function byService(edges: readonly SeenEdge[]): Row[] {
  const { accounts, latencies } = told(edges);
  const services = new Map<string, Numbers>();
  const withCallers = new Set(
    accounts.filter(({ seenBy }) => seenBy === 'caller').map(({ callee }) => callee),
  );
  for (const { callee, seenBy, edges: all } of accounts) {
    const numbers = services.get(callee) ?? noNumbers();
    services.set(callee, numbers);
    for (const edge of all.filter((one) => serviceOf(one) !== '')) add(numbers, edge, placesOf(edge, seenBy));
  }
  for (const [callee, all] of latencies) {
    const numbers = services.get(callee);
    if (numbers !== undefined && !withCallers.has(callee)) for (const edge of all) add(numbers, edge);
  }
  return [...services]
    .map(([callee, numbers]) => ({ ...placeOf(callee), signals: signals(numbers) }))
    .filter(({ name, signals: of }) => name !== '' && isLive(of))
    .sort(byText(({ namespace, name }) => `${namespace}\n${name}`));
}

/** Who calls what. */
export function byCall(edges: readonly SeenEdge[]): Call[] {
  const { accounts, latencies } = told(edges);
  const calls = accounts.map(({ caller, callee, seenBy, edges: own }) => {
    const all = seenBy === 'caller' ? own : [...own, ...(latencies.get(callee) ?? [])];
    const numbers = noNumbers();
    for (const edge of all) add(numbers, edge, placesOf(edge, seenBy));
    const tls = new Set(own.filter(saysTls).map((edge) => edge.tls));
    const rules = new Set(own.map(({ rule }) => rule).filter((rule) => rule !== ''));
    const said = { caller, callee, seenBy, tls: [...tls].sort(), rules: [...rules].sort() };
    return { ...placeOf(callee), ...said, ...endOf(own, seenBy), signals: signals(numbers) };
  });
  return calls
    .filter((call) => isLive(call.signals))
    .sort(byText(({ callee, caller }) => `${callee}\n${caller}`));
}

/** The receiving end of a call, as those say who know it. */
function endOf(
  edges: readonly SeenEdge[],
  seenBy: Call['seenBy'],
): Pick<Call, 'toService' | 'servers' | 'ports'> {
  const servers = new Set(edges.map((edge) => (isInbound(edge) ? edge.reporter.identity : edge.peer)));
  // The caller names the Service's port, the receiver the pod's.
  const ports = new Set(edges.filter((edge) => isInbound(edge) === (seenBy === 'receiver')).map(portOf));
  return {
    toService: edges.some((edge) => serviceOf(edge) !== ''),
    servers: [...servers].filter((identity) => identity !== '').sort(),
    ports: [...ports].filter((port) => port !== '').sort(),
  };
}

function portOf({ port, backend, direction }: SeenEdge): string {
  const [, answers] = /^[^/:{]+\/[^/:{]+:(\w+)/.exec(backend) ?? [];
  return direction === 'outbound' ? (answers ?? port) : port;
}

/** What routes of all Services led to each of their backends; retries and refusals are of no backend. */
export function byShare(edges: readonly SeenEdge[]): ShareRow[] {
  const led = edges.filter((edge) => !isInbound(edge) && edge.service !== '' && edge.backend !== '');
  return grouped(led, ({ service, port, route, backend }) => ({
    ...placeOf(service),
    destination: port === '' ? service : `${service}:${port}`,
    route,
    backend,
  })).sort(byText(({ destination, route, backend }) => `${destination}\n${route}\n${backend}`));
}

/** What a route led to each of its backends; retries and refusals are of no backend. */
export function byBackend(edges: readonly SeenEdge[], service: string): RouteRow[] {
  const backends = new Set(edges.map(({ backend }) => backend));
  return [...backends]
    .flatMap((backend) =>
      byRoute(
        edges.filter((edge) => edge.backend === backend),
        service,
      ),
    )
    .sort(byText(({ name, backends: [backend = ''] }) => `${name}\n${backend}`));
}

/** The routes of a Service, by what callers saw. */
export function byRoute(edges: readonly SeenEdge[], service: string): RouteRow[] {
  const outbound = edges.filter((edge) => !isInbound(edge) && edge.service === service);
  const backends = new Map<string, Set<string>>();
  for (const { route, backend } of outbound) {
    const all = backends.get(route) ?? new Set();
    backends.set(route, backend === '' ? all : all.add(backend));
  }
  const { namespace } = placeOf(service);
  return grouped(outbound, ({ route }) => ({ namespace, name: route })).map((row) => ({
    ...row,
    backends: [...(backends.get(row.name) ?? [])].sort(),
  }));
}

/** All that one side says of a call; refusals of the receiver are beside what the caller says. */
interface Account {
  readonly caller: string;
  readonly callee: string;
  seenBy: Call['seenBy'];
  edges: SeenEdge[];
}

interface Told {
  readonly accounts: readonly Account[];
  /** What receivers say of all callers of a callee together: their latencies. */
  readonly latencies: ReadonlyMap<string, readonly SeenEdge[]>;
}

/** Brings both sides together: how it went is what the caller saw, where the caller has a proxy; refusals are the receiver's. */
function told(edges: readonly SeenEdge[]): Told {
  const accounts = new Map<string, Account>();
  const latencies = new Map<string, SeenEdge[]>();
  for (const edge of edges) {
    const callee = calleeOf(edge);
    if (isInbound(edge) && edge.tls === '' && edge.rule === '') {
      const all = latencies.get(callee) ?? [];
      latencies.set(callee, all);
      all.push(edge);
      continue;
    }
    const caller = isInbound(edge) ? edge.peer : edge.reporter.identity;
    const key = `${caller}\n${callee}`;
    const account = accounts.get(key) ?? { caller, callee, seenBy: 'receiver', edges: [] };
    accounts.set(key, account);
    account.edges.push(edge);
    if (!isInbound(edge)) account.seenBy = 'caller';
  }
  return { accounts: [...accounts.values()], latencies };
}

/** Of a receiver, where the caller speaks, its refusals alone. */
function placesOf(edge: SeenEdge, seenBy: Call['seenBy']): readonly number[] | undefined {
  return seenBy === 'caller' && isInbound(edge) ? REFUSALS : undefined;
}

function grouped<Named extends { readonly namespace: string; readonly name: string }>(
  edges: readonly SeenEdge[],
  nameOf: (edge: SeenEdge) => Named,
): (Named & { readonly signals: Signals })[] {
  const groups = new Map<string, { readonly named: Named; readonly numbers: Numbers }>();
  for (const edge of edges) {
    const named = nameOf(edge);
    const key = Object.values(named).join('\n');
    const group = groups.get(key) ?? { named, numbers: noNumbers() };
    groups.set(key, group);
    add(group.numbers, edge);
  }
  return [...groups.values()]
    .map(({ named, numbers }) => ({ ...named, signals: signals(numbers) }))
    .sort(byText(({ namespace, name }) => `${namespace}\n${name}`));
}

function isInbound({ direction }: SeenEdge): boolean {
  return direction === 'inbound';
}

/** Without a peer, 503 may be the proxy's own answer to a request that reached nobody: it says nothing about TLS. */
function saysTls({ tls, peer, direction }: SeenEdge): boolean {
  return tls !== '' && (direction === 'inbound' || tls !== 'none' || peer !== '');
}

/** A route may lead to another Service than the one that was dialled: the one that answers is the call's end. */
function serviceOf({ direction, service, backend }: SeenEdge): string {
  const [answers = ''] = /^[^/:{]+\/[^/:{]+/.exec(backend) ?? [];
  return direction === 'outbound' && answers !== '' ? answers : service;
}

function calleeOf(edge: SeenEdge): string {
  const service = serviceOf(edge);
  if (service !== '') return service;
  const { namespace, name } = edge.reporter;
  return isInbound(edge) ? `${namespace}/${name}` : '';
}

function placeOf(service: string): { readonly namespace: string; readonly name: string } {
  const [namespace = '', name = ''] = service.split('/');
  return { namespace, name };
}

function isLive(of: Signals): boolean {
  return (
    of.perSecond > 0 ||
    of.connectionsPerSecond > 0 ||
    of.openConnections > 0 ||
    of.denied + of.wouldBeDenied + of.limited + of.wouldBeLimited > 0
  );
}

function byText<T>(textOf: (row: T) => string): (a: T, b: T) => number {
  return (a, b) => (textOf(a) < textOf(b) ? -1 : Number(textOf(a) > textOf(b)));
}
