import { inPod } from './app.js';
import type { Condition } from './policy.js';
import { eventually, get, run } from './run.js';

/** What a user writes into a route; the API server knows the schema. */
export interface RouteSpec {
  readonly parentRefs: object[];
  readonly hostnames?: string[];
  readonly rules: object[];
}

type Kind = 'HTTPRoute' | 'GRPCRoute' | 'TLSRoute' | 'TCPRoute';

interface WithParents {
  readonly metadata: { readonly generation: number };
  readonly status?: { readonly parents?: readonly ParentStatus[] };
}

export interface ParentStatus {
  readonly controllerName: string;
  readonly parentRef: { readonly name: string; readonly port?: number; readonly sectionName?: string };
  readonly conditions: readonly Condition[];
}

/** Installs the CRDs of the version that the conformance suite pins, in the place of those of another channel. */
export async function installGatewayApi(channel: 'standard' | 'experimental' = 'standard'): Promise<void> {
  await run('e2e/conformance/install-crds.sh', [channel], { timeout: 180_000 });
}

export function httpRoute(namespace: string, name: string, spec: RouteSpec): object {
  return route('HTTPRoute', namespace, name, spec);
}

export function grpcRoute(namespace: string, name: string, spec: RouteSpec): object {
  return route('GRPCRoute', namespace, name, spec);
}

export function tlsRoute(namespace: string, name: string, spec: RouteSpec): object {
  return route('TLSRoute', namespace, name, spec);
}

export function tcpRoute(namespace: string, name: string, spec: RouteSpec): object {
  return route('TCPRoute', namespace, name, spec);
}

function route(kind: Kind, namespace: string, name: string, spec: RouteSpec): object {
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata: { name, namespace }, spec };
}

/** A reference to a Service as parent; core objects have the empty group. */
export function parent(name: string, rest: object = {}): object {
  return { group: '', kind: 'Service', name, ...rest };
}

/** What Weft says of a route, one entry a parent; entries of other controllers are left out. */
export async function parentsOf(
  namespace: string,
  name: string,
  kind: Kind = 'HTTPRoute',
): Promise<ParentStatus[]> {
  const { status } = await get<WithParents>(kind, name, '-n', namespace);
  return (status?.parents ?? []).filter(({ controllerName }) => controllerName.startsWith('weft.dev/'));
}

/** Waits for a condition of a route's only parent (or of the parent with this name), of the current generation. */
export function routeCondition(
  where: {
    readonly namespace: string;
    readonly name: string;
    readonly kind?: Kind;
    readonly parent?: string;
  },
  type: string,
  status: Condition['status'],
): Promise<Condition> {
  const { namespace, name, kind = 'HTTPRoute' } = where;
  return eventually(
    `${kind} ${namespace}/${name} is ${type}=${status}`,
    async () => {
      const { metadata, status: seen } = await get<WithParents>(kind, name, '-n', namespace);
      const own = (seen?.parents ?? []).find(
        ({ controllerName, parentRef }) =>
          controllerName.startsWith('weft.dev/') && (where.parent ?? parentRef.name) === parentRef.name,
      );
      const found = own?.conditions.find(
        (c) => c.type === type && c.observedGeneration === metadata.generation,
      );
      if (found !== undefined && found.status !== status)
        throw new Error(`${found.reason}: ${found.message}`);
      return found;
    },
    30,
  );
}

/** What `testapp request` prints. */
export interface Response {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly millis: number;
}

/** What the test application says of the request that it saw. */
export interface Seen {
  readonly service: string;
  readonly version: string;
  readonly pod: string;
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Sends one HTTP request from a pod; redirects are not followed. Flags: `testapp request -h`. */
export async function request(
  namespace: string,
  target: string,
  url: string,
  ...flags: string[]
): Promise<Response> {
  return JSON.parse(await inPod(namespace, target, 'request', '-url', url, ...flags)) as Response;
}

export function seen(response: Response): Seen {
  return JSON.parse(response.body) as Seen;
}

/** What `testapp call` prints. */
export interface Calls {
  readonly codes: Readonly<Record<string, number>>;
  readonly versions: Readonly<Record<string, number>>;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Makes unary gRPC calls from a pod. Flags: `testapp call -h`. */
export async function call(namespace: string, target: string, ...flags: string[]): Promise<Calls> {
  return JSON.parse(await inPod(namespace, target, 'call', ...flags)) as Calls;
}
