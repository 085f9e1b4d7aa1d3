import { ownEndpointSets } from './endpoints.js';
import { type DirtyKey, dirtyAccess, dirtySpec, serviceKey } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import type { PodPort } from './pod-ports.js';
import type { PolicyRef } from '../words/policy.js';
import type { Service, ServicePort } from '../words/service.js';
import type { Workload } from '../words/workload.js';
import {
  type AccessCondition,
  type AccessSubject,
  type MeshRoleBinding,
  type RoleRule,
  asksAboutRequests,
  asksForTokens,
} from '../words/access.js';
import { accessExcess } from '../words/access-budget.js';
import type { NamespaceAccess } from '../tables/namespace-access.js';
import type { AccessConfig, AccessGrant, AccessPermission } from '../words/access-config.js';

/** What is said about access to a pod. */
export interface CompiledAccess {
  /** Absent: nothing is asked of anybody. */
  readonly access?: AccessConfig;
  /** The bindings whose words are in it. */
  readonly sources: readonly PolicyRef[];
  readonly depends: readonly DirtyKey[];
}

/** The rules that concern a pod, whose ports are known as `ports`. */
export function compileAccess(
  mesh: Mesh,
  workload: Workload,
  ports: ReadonlyMap<number, PodPort>,
): CompiledAccess {
  const { namespace } = workload.key;
  const said = mesh.accessIn(namespace);
  const depends = [
    dirtyAccess(namespace),
    ...said.services.map((name) => dirtySpec(serviceKey(namespace, name))),
  ];
  return { ...compiledFor(said, placeOf(mesh, workload, ports)), depends };
}

/** Where the rules of its namespace find a pod, whose ports are known as `ports`. */
export function placeOf(mesh: Mesh, workload: Workload, ports: ReadonlyMap<number, PodPort>): Place {
  const { services } = mesh.accessIn(workload.key.namespace);
  return {
    trustDomain: mesh.settings.trustDomain,
    behind: services.map((name) => [name, portsBehind(mesh, workload, name)]),
    bytes: [...ports].flatMap(([port, { protocol }]) => (protocol === 'opaque' ? [port] : [])),
  };
}

/** What of a pod decides which rules concern it: pods of one Service have the same. */
export interface Place {
  readonly trustDomain: string;
  /** Services of the namespace that rules name, with their ports and the pod's behind these. */
  readonly behind: readonly (readonly [string, readonly PortBehind[]])[];
  /** Ports that are declared as bytes. */
  readonly bytes: readonly number[];
}

export interface PortBehind {
  readonly port: number;
  readonly targets: readonly number[];
}

type Compiled = Omit<CompiledAccess, 'depends'>;

const known = new WeakMap<NamespaceAccess, Map<string, Compiled>>();

/** Made once for all pods of a place, for as long as the same is said. */
function compiledFor(said: NamespaceAccess, place: Place): Compiled {
  const places = known.get(said) ?? new Map<string, Compiled>();
  known.set(said, places);
  const id = JSON.stringify(place);
  const compiled = places.get(id) ?? compile(said, place);
  places.set(id, compiled);
  return compiled;
}

function compile(said: NamespaceAccess, place: Place): Compiled {
  const { default: byDefault, acting, issuers } = said;
  const parts = new Parts(place.trustDomain);
  const sources = new Map<string, PolicyRef>();
  for (const { binding, role, rules } of acting) {
    const granted = grantedTo(binding, rules, place);
    if (granted.length === 0) continue;
    parts.add(binding, granted);
    for (const { ref } of role === undefined ? [binding] : [binding, role]) sources.set(ref.uid, ref);
  }
  if (byDefault === 'allow' && sources.size === 0) return { sources: [] };
  const access = parts.access(byDefault, issuers);
  for (const { issuer } of access.jwtIssuers ?? []) sources.set(issuer.ref.uid, issuer.ref);
  return { access: fits(access) ? access : CLOSED, sources: [...sources.values()] };
}

/** Where a rule counts for more ports than was thought when it was admitted, and too many, nobody is let in. */
const CLOSED: AccessConfig = { default: 'deny', bindings: [], permissions: [], subjects: [] };

function fits({ permissions, subjects }: AccessConfig): boolean {
  const grants = subjects.flatMap((subject) => subject.grants);
  const entries = grants.map(({ permission }) => {
    const { ports = [], paths = [] } = permissions[permission] ?? {};
    return Math.max(ports.length, 1) * Math.max(paths.length, 1);
  });
  const accessEntries = entries.reduce((total, one) => total + one, 0);
  return accessExcess({ accessGrants: grants.length, accessEntries, accessBytes: 0 }) === undefined;
}

/** A kind of caller, and what is granted or denied to it. */
interface Granted {
  readonly subject: AccessSubject;
  readonly permissions: readonly AccessPermission[];
}

/**
 * What a binding says to each of its subjects at the ports of a pod. Bytes have no tokens: at a port that is declared as bytes, one
 * that is told by a token is allowed nothing, and denied all if it meets the other conditions.
 */
function grantedTo(binding: MeshRoleBinding, rules: readonly RoleRule[], place: Place): readonly Granted[] {
  const all = rules.flatMap((rule) => permissionsOf(place, rule, binding));
  const isBytes = ({ ports }: AccessPermission): boolean => ports.some((port) => place.bytes.includes(port));
  const split = all.flatMap((permission) => splitByBytes(permission, place));
  const granted = binding.subjects.flatMap((subject): Granted[] => {
    if (!asksForTokens(subject)) return [{ subject, permissions: all }];
    const rest = subject.filter(({ kind }) => kind !== 'jwt');
    const whoever: AccessSubject = rest.length === 0 ? [{ kind: 'anyone' }] : rest;
    return [
      { subject, permissions: split.filter((permission) => !isBytes(permission)) },
      ...(binding.effect === 'deny' ? [{ subject: whoever, permissions: split.filter(isBytes) }] : []),
    ];
  });
  return granted.filter(({ permissions }) => permissions.length > 0);
}

/** The same at ports of requests, and at ports of bytes. */
function splitByBytes(
  { ports, ...conditions }: AccessPermission,
  { bytes }: Place,
): readonly AccessPermission[] {
  if (ports.length === 0) return [{ ports, ...conditions }];
  const [ofBytes, ofRequests] = [true, false].map((are) =>
    ports.filter((port) => bytes.includes(port) === are),
  );
  return [ofRequests ?? [], ofBytes ?? []]
    .filter((some) => some.length > 0)
    .map((some) => ({ ports: some, ...conditions }));
}

/**
 * A rule at the ports of a pod. Bytes are not requests: at a port that is declared as bytes, a rule about requests that names
 * the Service or the port allows nothing, or denies all; one that names neither does not concern it, which the proxy knows.
 */
export function permissionsOf(
  { behind, bytes }: Place,
  { services, ports: wanted, ...conditions }: RoleRule,
  { effect }: MeshRoleBinding,
): AccessPermission[] {
  if (services === undefined && wanted === undefined) return [{ ports: [], ...conditions }];
  const ofServices = behind.flatMap(([name, ports]) => (services?.includes(name) === true ? ports : []));
  const ports =
    services === undefined
      ? (wanted ?? [])
      : ofServices.flatMap(({ port, targets }) => (wanted?.includes(port) === false ? [] : targets));
  const all = [...new Set(ports)].sort((a, b) => a - b);
  if (!asksAboutRequests(conditions)) return all.length === 0 ? [] : [{ ports: all }];
  const ofRequests = all.filter((port) => !bytes.includes(port));
  const ofBytes = effect === 'deny' ? all.filter((port) => bytes.includes(port)) : [];
  return [
    ...(ofRequests.length === 0 ? [] : [{ ports: ofRequests, ...conditions }]),
    ...(ofBytes.length === 0 ? [] : [{ ports: ofBytes }]),
  ];
}

/**
 * Ports of the pod that a Service of its namespace sends to. A pod belongs to a Service as soon as its selector says so:
 * what is denied there must not wait until the pod is listed.
 */
export function portsBehind(mesh: Mesh, workload: Workload, name: string): PortBehind[] {
  const key = serviceKey(workload.key.namespace, name);
  const service = mesh.services.get(key);
  if (service === undefined) return [];
  const listed = ownEndpointSets(mesh, workload).filter(({ service: of }) => of === key);
  return service.ports
    .filter(({ protocol }) => protocol === 'TCP')
    .map((port) => {
      const targets = listed.flatMap(({ ports }) =>
        ports.flatMap((target) =>
          target.name === port.name && target.protocol === 'TCP' ? [target.port] : [],
        ),
      );
      const selected = selects(service, workload) ? targetOf(port, workload) : [];
      return { port: port.port, targets: [...new Set([...targets, ...selected])] };
    });
}

function selects({ selector }: Service, { labels }: Workload): boolean {
  const wanted = Object.entries(selector ?? {});
  return wanted.length > 0 && wanted.every(([name, value]) => labels[name] === value);
}

function targetOf({ targetPort }: ServicePort, { namedPorts }: Workload): number[] {
  const port = typeof targetPort === 'number' ? targetPort : namedPorts[targetPort];
  return port === undefined ? [] : [port];
}

/** Collects what occurs once. */
class Parts {
  readonly #trustDomain: string;
  readonly #bindings: string[] = [];
  readonly #permissions = new Map<
    string,
    { readonly place: number; readonly permission: AccessPermission }
  >();
  readonly #subjects = new Map<
    string,
    { readonly allOf: readonly AccessCondition[]; readonly grants: Map<string, AccessGrant> }
  >();

  constructor(trustDomain: string) {
    this.#trustDomain = trustDomain;
  }

  add({ ref, effect, mode }: MeshRoleBinding, granted: readonly Granted[]): void {
    const place = this.#bindings.push(`${ref.namespace}/${ref.name}`) - 1;
    for (const { subject, permissions } of granted) {
      const places = permissions.map((permission) => this.#permission(permission));
      const grants = this.#grantsOf(subject.map((condition) => withDomain(condition, this.#trustDomain)));
      for (const permission of places)
        grants.set(`${permission} ${place}`, { permission, binding: place, effect, mode });
    }
  }

  access(byDefault: AccessConfig['default'], issuers: NamespaceAccess['issuers']): AccessConfig {
    const conditions = [...this.#subjects.values()].flatMap(({ allOf }) => allOf);
    const used = conditions.flatMap((condition) => (condition.kind === 'jwt' ? [condition.issuer] : []));
    const jwtIssuers = [...new Set(used)].sort().flatMap((issuer) => issuers.get(issuer) ?? []);
    return {
      default: byDefault,
      bindings: this.#bindings,
      permissions: [...this.#permissions.values()].map(({ permission }) => permission),
      subjects: [...this.#subjects.values()].map(({ allOf, grants }) => ({
        allOf,
        grants: [...grants.values()],
      })),
      ...(jwtIssuers.length === 0 ? {} : { jwtIssuers }),
    };
  }

  #permission(permission: AccessPermission): number {
    const id = JSON.stringify(permission);
    const known = this.#permissions.get(id) ?? { place: this.#permissions.size, permission };
    this.#permissions.set(id, known);
    return known.place;
  }

  #grantsOf(allOf: readonly AccessCondition[]): Map<string, AccessGrant> {
    const id = JSON.stringify(allOf);
    const known = this.#subjects.get(id) ?? { allOf, grants: new Map<string, AccessGrant>() };
    this.#subjects.set(id, known);
    return known.grants;
  }
}

/** With its trust domain, and its fields in one order: subjects that are equal are so to the letter. */
export function withDomain(condition: AccessCondition, own: string): AccessCondition {
  const inverted = condition.inverted === true ? { inverted: true as const } : {};
  if (condition.kind === 'serviceAccount') {
    const { kind, trustDomain = own, namespace, name } = condition;
    return { kind, trustDomain, namespace, name, ...inverted };
  }
  if (condition.kind === 'namespace') {
    const { kind, trustDomain = own, name } = condition;
    return { kind, trustDomain, name, ...inverted };
  }
  return condition;
}
