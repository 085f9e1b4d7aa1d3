import * as z from 'zod';
import {
  combinations,
  rulePorts,
  servicesFor,
  subjectOf,
  Unsayable,
  type Grant,
  type ServiceShape,
} from './converted.js';
import { type HttpMatch, httpMatch, mayTakeFrom, requestOf } from './http-match.js';

const metadata = z.object({ name: z.string(), namespace: z.string().default('default') });
const ref = z.strictObject({
  group: z.string().optional(),
  kind: z.string(),
  name: z.string(),
  namespace: z.string().optional(),
});

/** Server of policy.linkerd.io. */
export const linkerdServer = z.object({
  metadata,
  spec: z.strictObject({
    podSelector: z.strictObject({ matchLabels: z.record(z.string(), z.string()).default({}) }).optional(),
    externalWorkloadSelector: z.unknown().optional(),
    port: z.union([z.int(), z.string()]),
    proxyProtocol: z.string().optional(),
    accessPolicy: z.string().default('deny'),
  }),
});
/** AuthorizationPolicy of policy.linkerd.io. */
export const linkerdPolicy = z.object({
  metadata,
  spec: z.strictObject({ targetRef: ref, requiredAuthenticationRefs: z.array(ref).default([]) }),
});
/** MeshTLSAuthentication of policy.linkerd.io. */
export const meshTls = z.object({
  metadata,
  spec: z.strictObject({
    identities: z.array(z.string()).default([]),
    identityRefs: z.array(ref).default([]),
  }),
});
/** NetworkAuthentication of policy.linkerd.io. */
export const network = z.object({
  metadata,
  spec: z.strictObject({
    networks: z.array(z.strictObject({ cidr: z.string(), except: z.array(z.string()).default([]) })),
  }),
});
/** HTTPRoute of policy.linkerd.io or Gateway API, as far as it says which requests a Server takes. */
export const linkerdRoute = z.object({
  metadata,
  spec: z.object({
    parentRefs: z.array(z.object({ kind: z.string().default('Gateway'), name: z.string() })).default([]),
    hostnames: z.array(z.string()).default([]),
    rules: z.array(z.object({ matches: z.array(httpMatch).default([]) })).default([{ matches: [] }]),
  }),
});

export type LinkerdServer = z.infer<typeof linkerdServer>;
export type LinkerdRoute = z.infer<typeof linkerdRoute>;
export type LinkerdPolicy = z.infer<typeof linkerdPolicy>;

/** What policies refer to, among all that was given. */
export interface LinkerdObjects {
  readonly servers: readonly LinkerdServer[];
  readonly meshTls: readonly z.infer<typeof meshTls>[];
  readonly networks: readonly z.infer<typeof network>[];
  readonly routes: readonly LinkerdRoute[];
  readonly services: readonly ServiceShape[];
}

/** Callers and requests of a policy: all of its authentications together, and what its target takes. */
export function convertLinkerdPolicy(
  { metadata: { namespace }, spec }: LinkerdPolicy,
  given: LinkerdObjects,
): Pick<Grant, 'subjects' | 'rules'> {
  const lists = spec.requiredAuthenticationRefs.map((one, index) =>
    callersOf(one, namespace, given, `spec.requiredAuthenticationRefs[${index}]`),
  );
  return {
    subjects: combinations(lists).map((parts) => subjectOf(parts.flat())),
    rules: targetOf(spec.targetRef, namespace, given),
  };
}

/** What a Server lets in by itself, without a policy; undefined where that is nobody. */
export function convertServer(
  server: LinkerdServer,
  given: LinkerdObjects,
): Pick<Grant, 'subjects' | 'rules'> | undefined {
  const { accessPolicy } = server.spec;
  if (accessPolicy === 'deny' || accessPolicy === 'audit') return undefined;
  const subject = ACCESS_POLICIES[accessPolicy];
  if (subject === undefined)
    throw new Unsayable(
      'spec.accessPolicy',
      `${accessPolicy} goes by the networks of the cluster, which nothing here knows; write the CIDRs into a binding`,
    );
  return { subjects: [subject], rules: [wholePort(server, given, 'spec.accessPolicy')] };
}

const ACCESS_POLICIES: Readonly<Record<string, object>> = {
  'all-unauthenticated': { caller: 'Anyone' },
  'all-authenticated': { caller: 'Authenticated' },
};

type Ref = z.infer<typeof ref>;

function targetOf(
  { kind, name, namespace: elsewhere = '' }: Ref,
  namespace: string,
  given: LinkerdObjects,
): readonly object[] {
  const path = 'spec.targetRef';
  if (elsewhere !== '' && elsewhere !== namespace)
    throw new Unsayable(path, `a policy is about its own namespace, and not about ${elsewhere}`);
  switch (kind) {
    case 'Namespace':
      return [wholeNamespace(name, namespace, given)];
    case 'Server':
      return [wholePort(serverNamed(name, namespace, given, path), given, path)];
    case 'HTTPRoute':
      return routeNamed(name, namespace, given);
    default:
      throw new Unsayable(path, `${kind} is not converted; there is Server, HTTPRoute and Namespace`);
  }
}

function serverNamed(
  name: string,
  namespace: string,
  { servers }: LinkerdObjects,
  path: string,
): LinkerdServer {
  const server = servers.find(({ metadata: at }) => at.namespace === namespace && at.name === name);
  if (server !== undefined) return server;
  throw new Unsayable(path, `Server ${namespace}/${name} is not in the files; give it too, with another -f`);
}

function wholeNamespace(name: string, namespace: string, given: LinkerdObjects): object {
  if (name !== namespace)
    throw new Unsayable('spec.targetRef', `a policy is about its own namespace, and not about ${name}`);
  const divided = given.servers.find(
    ({ metadata: at }) => at.namespace === namespace && routesOn(at.name, namespace, given).length > 0,
  );
  if (divided !== undefined) throw dividedBy(divided, 'spec.targetRef');
  return {};
}

/** A Server with routes takes nothing that none of them matches: a rule about the whole port would allow more. */
function wholePort(server: LinkerdServer, given: LinkerdObjects, path: string): object {
  const { name, namespace } = server.metadata;
  if (routesOn(name, namespace, given).length > 0) throw dividedBy(server, path);
  return portOf(server, given.services);
}

function dividedBy({ metadata: { namespace, name } }: LinkerdServer, path: string): Unsayable {
  const message = `Server ${namespace}/${name} has HTTPRoutes, and takes only what one of them matches; write a policy for each route`;
  return new Unsayable(path, message);
}

function routesOn(server: string, namespace: string, { routes }: LinkerdObjects): readonly LinkerdRoute[] {
  return routes.filter(
    ({ metadata: at, spec }) =>
      at.namespace === namespace &&
      spec.parentRefs.some(({ kind, name }) => kind === 'Server' && name === server),
  );
}

/** What a route matches at each of its Servers, and no other route takes away. */
function routeNamed(name: string, namespace: string, given: LinkerdObjects): readonly object[] {
  const path = 'spec.targetRef';
  const title = `HTTPRoute ${namespace}/${name}`;
  const route = given.routes.find(({ metadata: at }) => at.namespace === namespace && at.name === name);
  if (route === undefined)
    throw new Unsayable(path, `${title} is not in the files; give it too, with another -f`);
  if (route.spec.hostnames.length > 0)
    throw new Unsayable(
      path,
      `${title} has hostnames: rules go by the Service that is called, since callers write the Host themselves`,
    );
  const servers = route.spec.parentRefs.flatMap((one) => (one.kind === 'Server' ? [one.name] : []));
  if (servers.length === 0)
    throw new Unsayable(path, `${title} has no Server as its parent, so nobody is judged by it`);
  const matches = matchesOf(route);
  return servers.flatMap((server) => {
    const taker = routesOn(server, namespace, given)
      .filter((other) => other !== route)
      .find((other) => matchesOf(other).some((one) => matches.some((own) => mayTakeFrom(own, one))));
    if (taker !== undefined)
      throw new Unsayable(
        path,
        `HTTPRoute ${namespace}/${taker.metadata.name} takes some of what ${title} matches, and rules know no such order; make their matches disjoint`,
      );
    const port = portOf(serverNamed(server, namespace, given, path), given.services);
    return matches.map((one) => ({ ...port, ...requestOf(one, `${path}: ${title}: match`) }));
  });
}

function matchesOf({ spec }: LinkerdRoute): readonly HttpMatch[] {
  return spec.rules.flatMap(({ matches }) => (matches.length === 0 ? [ANY] : matches));
}

const ANY: HttpMatch = httpMatch.parse({});

function portOf({ metadata: { namespace }, spec }: LinkerdServer, services: readonly ServiceShape[]): object {
  if (spec.externalWorkloadSelector !== undefined)
    throw new Unsayable('spec.externalWorkloadSelector', 'the mesh has no workloads outside of pods');
  const labels = spec.podSelector?.matchLabels ?? {};
  const path = 'spec.podSelector';
  const all = Object.keys(labels).length === 0;
  const fitting = all ? undefined : servicesFor(labels, { namespace, path, effect: 'Allow' }, services);
  // Of these Services those that send to the port; without any the port itself cannot be named.
  const sending = fitting?.filter(({ ports }) => ports.some(({ targetPort }) => targetPort === spec.port));
  return rulePorts([spec.port], sending, 'spec.port');
}

/** Any of these lists of conditions. */
function callersOf(
  of: Ref,
  own: string,
  given: LinkerdObjects,
  path: string,
): readonly (readonly object[])[] {
  const namespace = of.namespace ?? own;
  const isIt = ({
    metadata: at,
  }: {
    readonly metadata: { readonly name: string; readonly namespace: string };
  }): boolean => at.namespace === namespace && at.name === of.name;
  const missing = (): never => {
    throw new Unsayable(
      path,
      `${of.kind} ${namespace}/${of.name} is not in the files; give it too, with another -f`,
    );
  };
  switch (of.kind) {
    case 'ServiceAccount':
      return [[{ serviceAccount: { name: of.name, namespace } }]];
    case 'MeshTLSAuthentication': {
      const { spec, metadata: at } = given.meshTls.find(isIt) ?? missing();
      return [
        ...spec.identities.map((text) => [identityOf(text, path)]),
        ...spec.identityRefs.map((one) => [refOf(one, at.namespace, path)]),
      ];
    }
    case 'NetworkAuthentication': {
      const { spec } = given.networks.find(isIt) ?? missing();
      return spec.networks.map(({ cidr, except }) => [
        { cidr: blockOf(cidr) },
        ...except.map((one) => ({ not: { cidr: blockOf(one) } })),
      ]);
    }
    default:
      throw new Unsayable(
        path,
        `${of.kind} proves nobody here; there is ServiceAccount, MeshTLSAuthentication and NetworkAuthentication`,
      );
  }
}

/** `web.shop.serviceaccount.identity.linkerd.cluster.local`, `*.shop.serviceaccount...` or `*`. */
function identityOf(text: string, path: string): object {
  if (text === '*') return { caller: 'Authenticated' };
  const [, name, namespace, domain] =
    /^([^.]+)\.([^.]+)\.serviceaccount\.identity\.[^.]+\.(.+)$/.exec(text) ?? [];
  if (name === undefined || namespace === undefined)
    throw new Unsayable(
      path,
      `${text} names neither a service account, nor all of a namespace, nor everybody with a certificate`,
    );
  const inDomain = domain === 'cluster.local' ? {} : { trustDomain: domain };
  return name === '*'
    ? { namespace: { name: namespace, ...inDomain } }
    : { serviceAccount: { name, namespace, ...inDomain } };
}

function refOf({ kind, name, namespace }: Ref, own: string, path: string): object {
  if (kind === 'Namespace') return { namespace: { name } };
  if (kind === 'ServiceAccount') return { serviceAccount: { name, namespace: namespace ?? own } };
  throw new Unsayable(
    path,
    `an identity is that of a ServiceAccount or of all in a Namespace, not of a ${kind}`,
  );
}

function blockOf(text: string): string {
  if (text.includes('/')) return text;
  return `${text}/${text.includes(':') ? 128 : 32}`;
}
