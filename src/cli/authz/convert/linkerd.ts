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

const metadata = z.object({ name: z.string(), namespace: z.string().default('default') });
const ref = z.object({ kind: z.string(), name: z.string(), namespace: z.string().optional() });

/** Server of policy.linkerd.io. */
export const linkerdServer = z.object({
  metadata,
  spec: z.object({
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
  spec: z.object({ targetRef: ref, requiredAuthenticationRefs: z.array(ref).default([]) }),
});
/** MeshTLSAuthentication of policy.linkerd.io. */
export const meshTls = z.object({
  metadata,
  spec: z.object({ identities: z.array(z.string()).default([]), identityRefs: z.array(ref).default([]) }),
});
/** NetworkAuthentication of policy.linkerd.io. */
export const network = z.object({
  metadata,
  spec: z.object({
    networks: z.array(z.object({ cidr: z.string(), except: z.array(z.string()).default([]) })),
  }),
});

export type LinkerdServer = z.infer<typeof linkerdServer>;
export type LinkerdPolicy = z.infer<typeof linkerdPolicy>;

/** What policies refer to, among all that was given. */
export interface LinkerdObjects {
  readonly servers: readonly LinkerdServer[];
  readonly meshTls: readonly z.infer<typeof meshTls>[];
  readonly networks: readonly z.infer<typeof network>[];
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
    rules: [targetOf(spec.targetRef, namespace, given)],
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
  return { subjects: [subject], rules: [portOf(server, given.services)] };
}

const ACCESS_POLICIES: Readonly<Record<string, object>> = {
  'all-unauthenticated': { caller: 'Anyone' },
  'all-authenticated': { caller: 'Authenticated' },
};

type Ref = z.infer<typeof ref>;

function targetOf({ kind, name }: Ref, namespace: string, { servers, services }: LinkerdObjects): object {
  if (kind === 'Namespace') return {};
  if (kind !== 'Server')
    throw new Unsayable(
      'spec.targetRef',
      `${kind} is not converted; write what its matches ask for as paths and methods of a MeshRole`,
    );
  const server = servers.find(({ metadata: at }) => at.namespace === namespace && at.name === name);
  if (server === undefined)
    throw new Unsayable(
      'spec.targetRef',
      `Server ${namespace}/${name} is not in the files; give it too, with another -f`,
    );
  return portOf(server, services);
}

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
