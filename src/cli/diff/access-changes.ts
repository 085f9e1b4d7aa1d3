import { isDeepStrictEqual } from 'node:util';
import {
  compileWorkload,
  judgeCall,
  modeOfPort,
  mtlsOn,
  portsBehind,
  type AccessConfig,
  type AskedRequest,
  type Caller,
  type Mesh,
  type Workload,
} from '../../model/index.js';
import { parseSpiffeId } from '../../identity/index.js';
import type { SeenEdge } from '../../telemetry/index.js';
import { plural } from '../page.js';

/** A caller that is treated otherwise afterwards. */
export interface AccessChange {
  /** `front/web`, an identity of another trust domain, `plain` for one that has proved nothing, or `any other account`. */
  readonly caller: string;
  /** `shop/reviews:8080`. */
  readonly service: string;
  /** Method and path, or `bytes`. */
  readonly request: string;
  readonly allowed: boolean;
  /** What decides afterwards. */
  readonly by: readonly string[];
}

/** What was found, as far as was looked. */
export interface AccessChanges {
  readonly changes: readonly AccessChange[];
  /** Of what not all was looked at, a line each. */
  readonly unasked: readonly string[];
}

/** How far is looked: callers by name, requests of a port, paths and methods of a rule, and what one answer holds. */
const BOUNDS = { callers: 200, requests: 40, paths: 8, methods: 4, changes: 2000 } as const;

/** Whom the rules would let in or keep out otherwise than they do, of the callers that are known, by requests that rules are about. */
export function accessChanges(
  before: Mesh,
  after: Mesh,
  { namespaces, edges }: { readonly namespaces: ReadonlySet<string>; readonly edges: readonly SeenEdge[] },
): AccessChanges {
  const found: AccessChange[] = [];
  const unasked = new Set<string>();
  const callersIn = callersByNamespace(before, after, edges);
  for (const service of after.services.values()) {
    if (!namespaces.has(service.namespace)) continue;
    const { callers, leftOut } = callersIn(service.namespace);
    for (const door of doorsOf(before, after, service)) {
      for (const caller of callers) found.push(...changesAt(door, caller));
      // Where the rules are the same afterwards nobody was left out of anything.
      if (door.differs && leftOut > 0)
        unasked.add(
          `who is let in to namespace ${service.namespace} was asked for ${BOUNDS.callers} accounts; ${plural(leftOut, 'more was', 'more were')} not`,
        );
      if (door.differs && door.leftOut)
        unasked.add(`not every request that rules of ${door.service} are about was asked`);
      if (found.length > BOUNDS.changes) {
        unasked.add(`who is let in was asked until ${BOUNDS.changes} changes were found`);
        return { changes: found.slice(0, BOUNDS.changes), unasked: [...unasked] };
      }
    }
  }
  return { changes: found, unasked: [...unasked] };
}

interface NamedCaller {
  readonly name: string;
  readonly caller: Caller;
}

/** Who may call into a namespace, found once for each. */
function callersByNamespace(
  before: Mesh,
  after: Mesh,
  edges: readonly SeenEdge[],
): (namespace: string) => ReturnType<typeof callersOf> {
  const known = new Map<string, ReturnType<typeof callersOf>>();
  return (namespace) => {
    const found =
      known.get(namespace) ?? callersOf(before, after, { namespace, seen: seenIn(edges, namespace) });
    known.set(namespace, found);
    return found;
  };
}

/** Accounts of meshed pods, those that bindings name, those that called lately, one that nobody names, and one without a certificate. */
function callersOf(
  before: Mesh,
  after: Mesh,
  { namespace, seen }: { readonly namespace: string; readonly seen: ReadonlySet<string> },
): { readonly callers: readonly NamedCaller[]; readonly leftOut: number } {
  const { trustDomain } = after.settings;
  const running = [...after.workloads.values()].filter(({ meshed }) => meshed);
  const bound = [before, after].flatMap((mesh) =>
    mesh.roleBindingsIn(namespace).flatMap(({ subjects }) => subjects.flat()),
  );
  // Those that called come first: where there are too many, they are who matters.
  const recent = [...seen].map((peer) => callerName(peer, trustDomain)).sort();
  const accounts = new Set([
    ...recent,
    ...[
      ...running.map(({ key, serviceAccount }) => `${key.namespace}/${serviceAccount}`),
      ...bound.flatMap((condition) =>
        condition.kind === 'serviceAccount' && condition.trustDomain === undefined
          ? [`${condition.namespace}/${condition.name}`]
          : [],
      ),
    ].sort(),
  ]);
  const named = [...accounts].slice(0, BOUNDS.callers).sort();
  const callers = [
    ...named.map((name) => ({ name, caller: { identity: identityOf(name, trustDomain) } })),
    { name: 'any other account', caller: { identity: { trustDomain, namespace: '-', name: '-' } } },
    { name: PLAIN, caller: {} },
  ];
  return { callers, leftOut: accounts.size - named.length };
}

/** Identities that have called pods of the namespace. */
function seenIn(edges: readonly SeenEdge[], namespace: string): ReadonlySet<string> {
  const calls = edges.filter(({ direction, reporter, peer }) => {
    return direction === 'inbound' && reporter.namespace === namespace && peer !== '';
  });
  return new Set(calls.map(({ peer }) => peer));
}

/** As answers name a caller: `front/web`, the whole identity where it is of another trust domain, and `plain` where it proved none. */
export function callerName(peer: string, trustDomain: string): string {
  if (peer === '') return PLAIN;
  const id = parseSpiffeId(peer);
  return id?.trustDomain === trustDomain ? `${id.namespace}/${id.serviceAccount}` : peer;
}

function identityOf(name: string, own: string): NonNullable<Caller['identity']> {
  const foreign = parseSpiffeId(name);
  const [within = '', account = ''] = name.split('/');
  const { trustDomain, namespace, serviceAccount } = foreign ?? {
    trustDomain: own,
    namespace: within,
    serviceAccount: account,
  };
  return { trustDomain, namespace, name: serviceAccount };
}

const PLAIN = 'plain';

/** A port of a Service, at a pod behind it, before and after. */
interface Door {
  readonly service: string;
  readonly before: Judge;
  readonly after: Judge;
  readonly requests: readonly (AskedRequest | undefined)[];
  /** Rules are about more requests than these. */
  readonly leftOut: boolean;
  /** Whether anything that decides is otherwise afterwards. */
  readonly differs: boolean;
}

type Judge = (
  caller: Caller,
  request: AskedRequest | undefined,
) => { readonly allowed: boolean; readonly by: readonly string[] };

type ServiceOf<M extends Mesh> = M['services'] extends { get(key: string): infer S | undefined } ? S : never;

/** The pods behind a Service have the same rules: the first one speaks for all. */
function doorsOf(before: Mesh, after: Mesh, service: NonNullable<ServiceOf<Mesh>>): readonly Door[] {
  const { namespace, name } = service;
  for (const pod of after.workloadsIn(namespace)) {
    const ports = portsBehind(after, pod, name).filter(({ targets }) => targets.length > 0);
    if (ports.length === 0) continue;
    const [was, becomes] = [before, after].map((mesh) => compileWorkload(mesh, pod.uid)?.workload.access);
    return ports.flatMap(({ port, targets: [target] }) => {
      if (target === undefined) return [];
      const { requests, leftOut } = requestsOf(was, becomes, target);
      const [modeBefore, modeAfter] = [before, after].map((mesh) => modeOfPort(mtlsOn(mesh, pod), target));
      return [
        {
          service: `${namespace}/${name}:${port}`,
          before: judgeAt(before, pod, target, was),
          after: judgeAt(after, pod, target, becomes),
          requests: [undefined, ...requests],
          leftOut,
          differs: modeBefore !== modeAfter || !isDeepStrictEqual(was, becomes),
        },
      ];
    });
  }
  return [];
}

/** As the proxy of the pod does it. */
function judgeAt(mesh: Mesh, pod: Workload, port: number, access: AccessConfig | undefined): Judge {
  const mode = modeOfPort(mtlsOn(mesh, pod), port);
  return (caller, request) => {
    if (!pod.meshed || pod.skipInboundPorts.includes(port)) return { allowed: true, by: ['no proxy'] };
    if (mode === 'strict' && caller.identity === undefined)
      return { allowed: false, by: ['mTLS mode Strict'] };
    if (access === undefined) return { allowed: true, by: ['the default'] };
    const asked = mode === 'disabled' ? {} : caller;
    const { allowed, by } = judgeCall(access, {
      caller: asked,
      port,
      ...(request === undefined ? {} : { request }),
    });
    return { allowed, by: by.length === 0 ? ['the default'] : by };
  };
}

/** One request for each that rules are about, and one that they may not have thought of. */
function requestsOf(
  before: AccessConfig | undefined,
  after: AccessConfig | undefined,
  port: number,
): { readonly requests: readonly AskedRequest[]; readonly leftOut: boolean } {
  const rules = [...(before?.permissions ?? []), ...(after?.permissions ?? [])].filter(
    ({ ports }) => ports.length === 0 || ports.includes(port),
  );
  const all = rules.flatMap(({ methods = ['GET'], paths = ['/'], headers = [] }) =>
    paths.slice(0, BOUNDS.paths).flatMap((path) =>
      methods.slice(0, BOUNDS.methods).map((method) => ({
        method,
        path: samplePath(path),
        headers: headers.map(
          ({ name, condition }) => [name, condition.kind === 'present' ? 'x' : condition.value] as const,
        ),
      })),
    ),
  );
  const usual = { method: 'GET', path: '/', headers: [] };
  const distinct = new Map([usual, ...all].map((request) => [JSON.stringify(request), request]));
  const leftOut =
    distinct.size > BOUNDS.requests ||
    rules.some(
      ({ methods = [], paths = [] }) => paths.length > BOUNDS.paths || methods.length > BOUNDS.methods,
    );
  return { requests: [...distinct.values()].slice(0, BOUNDS.requests), leftOut };
}

/** A path that a pattern is about. */
function samplePath(pattern: string): string {
  return pattern.replaceAll(/\{[^}]*\}/g, 'x').replace(/\*$/, 'x');
}

function changesAt(
  { service, before, after, requests }: Door,
  { name, caller }: NamedCaller,
): readonly AccessChange[] {
  return requests.flatMap((request) => {
    const [was, becomes] = [before(caller, request), after(caller, request)];
    if (was.allowed === becomes.allowed) return [];
    const text = request === undefined ? 'bytes' : requestText(request);
    return [{ caller: name, service, request: text, allowed: becomes.allowed, by: becomes.by }];
  });
}

function requestText({ method, path, headers }: AskedRequest): string {
  const with_ = headers.map(([name, value]) => ` ${name}: ${value}`).join(',');
  return `${method} ${path}${with_ === '' ? '' : ` with${with_}`}`;
}
