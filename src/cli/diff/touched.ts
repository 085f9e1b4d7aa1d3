import { portsBehind, type Mesh, type Workload } from '../../model/index.js';
import { controllerOf, workloadOwner } from '../../kube/index.js';
import { countedIn, type SeenEdge } from '../../telemetry/index.js';
import type { Known } from '../findings/index.js';
import { callerName, type AccessChange } from './access-changes.js';
import { changeAt, type DestinationChange } from './destination-changes.js';
import type { Change } from './leaves.js';
import type { Remembered } from './remembered.js';

interface Counted {
  readonly requests: number;
  /** Connections of bytes. */
  readonly connections: number;
}

/** What callers sent to a port where they would do otherwise. */
export interface Sent extends Counted {
  /** `front/deployment/web`. */
  readonly caller: string;
  /** `shop/reviews:8080`. */
  readonly service: string;
  /** Empty where no route took it. */
  readonly route: string;
}

/** What came to pods that would do otherwise. */
export interface Received extends Counted {
  /** `shop/deployment/reviews`. */
  readonly workload: string;
  /** Of its pods. */
  readonly port: string;
}

/** What came from a caller who would be treated otherwise. */
export interface Judged extends Counted {
  readonly caller: string;
  readonly service: string;
  /** Whether something of it would be let in, or refused. */
  readonly allowed: boolean;
}

/** What of the traffic of the last half hour a change is about. Paths are not remembered: of who is let in these are the most there can be. */
export interface Touched {
  /** Minutes that are known, of thirty. */
  readonly minutes: number;
  /** Some minutes may be a part of what happened. */
  readonly partial: boolean;
  readonly sent: readonly Sent[];
  readonly received: readonly Received[];
  readonly judged: readonly Judged[];
}

export interface TouchedOptions {
  readonly destinations: readonly DestinationChange[];
  readonly workloads: readonly { readonly pods: readonly string[]; readonly changes: readonly Change[] }[];
  readonly access: readonly AccessChange[];
  readonly remembered: Remembered;
}

/** Counts what was remembered by what would be otherwise. */
export function touchedBy(before: Known, after: Known, options: TouchedOptions): Touched {
  const { minutes, partial } = options.remembered;
  const workloadOf = owners(after);
  return {
    minutes,
    partial: partial > 0,
    sent: sentTo(before.mesh, after.mesh, options),
    received: receivedBy(workloadOf, options),
    judged: judgedFrom(after.mesh, workloadOf, options),
  };
}

function sentTo(
  before: Mesh,
  after: Mesh,
  { destinations, remembered: { edges } }: TouchedOptions,
): readonly Sent[] {
  const services = new Set(destinations.map(({ service }) => service));
  const known = new Map<string, (route: string) => boolean>();
  const concerns = (service: string, namespace: string): ((route: string) => boolean) => {
    const key = `${service} ${namespace}`;
    const found = known.get(key) ?? routesOf(changeAt(before, after, service, namespace)?.changes ?? []);
    known.set(key, found);
    return found;
  };
  return summed(
    edges.flatMap((edge) => {
      const service = `${edge.service}:${edge.port}`;
      if (edge.direction !== 'outbound' || !services.has(service)) return [];
      if (!concerns(service, edge.reporter.namespace)(edge.route)) return [];
      return [{ caller: workloadName(edge), service, route: edge.route, ...countedIn(edge) }];
    }),
  );
}

/** Which routes changes are about: where a request goes elsewhere than before, it may be any. */
function routesOf(changes: readonly Change[]): (route: string) => boolean {
  const own = changes.map(({ what }) => /^route (.+?): (?!matches$)/.exec(what)?.[1]);
  if (own.includes(undefined)) return () => true;
  return (route) => own.includes(route);
}

function receivedBy(
  workloadOf: ReadonlyMap<string, string>,
  { workloads, remembered: { edges } }: TouchedOptions,
): readonly Received[] {
  const ports = new Map<string, Ports>();
  for (const { pods, changes } of workloads) {
    const concerned = portsOf(changes);
    for (const name of new Set(pods.map((pod) => workloadOf.get(pod) ?? '')))
      ports.set(name, both(ports.get(name), concerned));
  }
  return summed(
    edges.flatMap((edge) => {
      const workload = workloadName(edge);
      if (edge.direction !== 'inbound') return [];
      const concerned = ports.get(workload);
      if (concerned !== 'all' && concerned?.has(edge.port) !== true) return [];
      return [{ workload, port: edge.port, ...countedIn(edge) }];
    }),
  );
}

type Ports = ReadonlySet<string> | 'all';

function portsOf(changes: readonly Change[]): Ports {
  const own = changes.map(({ what }) => /^port (\d+): /.exec(what)?.[1]);
  return own.includes(undefined) ? 'all' : new Set(own.filter((port) => port !== undefined));
}

/** Pods of one workload may change in several ways. */
function both(one: Ports | undefined, other: Ports): Ports {
  if (one === undefined) return other;
  return one === 'all' || other === 'all' ? 'all' : new Set([...one, ...other]);
}

function judgedFrom(
  mesh: Mesh,
  workloadOf: ReadonlyMap<string, string>,
  { access, remembered: { edges } }: TouchedOptions,
): readonly Judged[] {
  const { trustDomain } = mesh.settings;
  const inbound = edges
    .filter(({ direction }) => direction === 'inbound')
    .map((edge) => ({
      door: `${workloadName(edge)} ${edge.port}`,
      from: callerName(edge.peer, trustDomain),
      counted: countedIn(edge),
    }));
  const doors = new Map<string, ReadonlySet<string>>();
  const asked = new Map(
    access.map((change) => [JSON.stringify([change.caller, change.service, change.allowed]), change]),
  );
  return summed(
    [...asked.values()].flatMap(({ caller, service, allowed }) => {
      const behind = doors.get(service) ?? doorsOf(mesh, workloadOf, service);
      doors.set(service, behind);
      return inbound
        .filter(({ door, from }) => from === caller && behind.has(door))
        .map(({ counted }) => ({ caller, service, allowed, ...counted }));
    }),
  );
}

/** Workloads behind a port of a Service, each with the port of its pods. */
function doorsOf(mesh: Mesh, workloadOf: ReadonlyMap<string, string>, service: string): ReadonlySet<string> {
  const [, namespace = '', name = '', port] = /^([^/]+)\/(.+):(\d+)$/.exec(service) ?? [];
  return new Set(
    mesh.workloadsIn(namespace).flatMap((pod) =>
      portsBehind(mesh, pod, name)
        .filter((one) => one.port === Number(port))
        .flatMap(({ targets }) => targets.map((target) => `${workloadOf.get(podName(pod)) ?? ''} ${target}`)),
    ),
  );
}

function podName({ key }: Workload): string {
  return `${key.namespace}/${key.name}`;
}

/** The workloads of pods, as their proxies' reports are filed. */
function owners({ pods }: Known): ReadonlyMap<string, string> {
  return new Map(
    pods.map(({ object: { namespace, name, raw }, labels }) => {
      const owner = controllerOf(raw.metadata?.ownerReferences ?? []);
      const { kind, name: of } = workloadOwner({ name, owner, labels });
      return [`${namespace}/${name}`, `${namespace}/${kind.toLowerCase()}/${of}`];
    }),
  );
}

function workloadName({ reporter: { namespace, kind, name } }: SeenEdge): string {
  return `${namespace}/${kind.toLowerCase()}/${name}`;
}

/** Counts of the same thing together, most first; nothing of what did not happen. */
function summed<T extends Counted>(all: readonly T[]): readonly T[] {
  const groups = new Map<string, T>();
  for (const one of all) {
    const { requests, connections, ...what } = one;
    const key = JSON.stringify(what);
    const before = groups.get(key);
    groups.set(key, {
      ...one,
      requests: requests + (before?.requests ?? 0),
      connections: connections + (before?.connections ?? 0),
    });
  }
  return [...groups.values()]
    .filter(({ requests, connections }) => requests + connections > 0)
    .sort((a, b) => b.requests + b.connections - (a.requests + a.connections));
}
