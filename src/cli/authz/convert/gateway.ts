import * as z from 'zod';
import { rulePorts, servicesFor, Unsayable, type Grant, type ServiceShape } from './converted.js';
import { headerOf, nameMatch, pathMatch, patternsOf } from './http-match.js';

const metadata = z.object({ name: z.string(), namespace: z.string().default('default') });
const source = z.strictObject({
  type: z.enum(['ServiceAccount', 'SPIFFE']).optional(),
  serviceAccount: z.strictObject({ name: z.string(), namespace: z.string().optional() }).optional(),
  spiffe: z.string().optional(),
});
const target = z.strictObject({
  group: z.string().optional(),
  kind: z.string(),
  name: z.string().optional(),
  selector: z.strictObject({ matchLabels: z.record(z.string(), z.string()).default({}) }).optional(),
});

/** AuthorizationPolicy of GEP-3779. */
export const gepPolicy = z.object({
  metadata,
  spec: z.strictObject({
    targetRefs: z.array(target),
    action: z.literal('ALLOW'),
    enforcementLevel: z.literal('Network').optional(),
    rules: z
      .array(
        z.strictObject({
          sources: z.array(source).optional(),
          networkAttributes: z.strictObject({ ports: z.array(z.int()).optional() }).optional(),
        }),
      )
      .optional(),
  }),
});
const authorization = z.strictObject({
  type: z.string(),
  methods: z.array(z.string()).default([]),
  paths: z.array(pathMatch).default([]),
  headers: z.array(nameMatch).default([]),
  hosts: z.array(z.string()).default([]),
  ports: z.array(z.int()).default([]),
  mcp: z.record(z.string(), z.unknown()).default({}),
  cel: z.unknown().optional(),
});
/** XAccessPolicy of agentic.networking.x-k8s.io. */
export const accessPolicy = z.object({
  metadata,
  spec: z.strictObject({
    targetRefs: z.array(target),
    action: z.string().default('Allow'),
    externalAuth: z.unknown().optional(),
    rules: z
      .array(
        z.strictObject({
          name: z.string().optional(),
          source: source.optional(),
          authorization: authorization.optional(),
        }),
      )
      .optional(),
  }),
});

export type AccessPolicy = z.infer<typeof accessPolicy>;

type Converted = Pick<Grant, 'subjects' | 'rules'>;

/** Of each rule; undefined for one that lets nobody in, as it says. */
export function convertGepRule(
  { metadata: { namespace }, spec }: z.infer<typeof gepPolicy>,
  index: number,
  services: readonly ServiceShape[],
): Converted | undefined {
  const rule = spec.rules?.[index];
  if (rule?.sources?.length === 0) return undefined;
  const at = `spec.rules[${index}]`;
  const { sources, networkAttributes } = rule ?? {};
  return {
    subjects: sources?.map((one) => callerOf(one, namespace, `${at}.sources`)) ?? [{ caller: 'Anyone' }],
    rules: spec.targetRefs.map((one) =>
      rulePorts(networkAttributes?.ports, podsOf(one, namespace, services), `${at}.networkAttributes.ports`),
    ),
  };
}

/** Of each rule; a policy that has no list of them is about everything. */
export function convertAccessRule(
  { metadata: { namespace }, spec }: AccessPolicy,
  index: number,
  services: readonly ServiceShape[],
): Converted {
  const { source: from, authorization: asked } = spec.rules?.[index] ?? {};
  const at = `spec.rules[${index}]`;
  const request = asked === undefined ? {} : inlineOf(asked, `${at}.authorization`);
  return {
    subjects: [from === undefined ? { caller: 'Anyone' } : callerOf(from, namespace, `${at}.source`)],
    rules: spec.targetRefs.map((one) => ({
      ...atPorts(asked?.ports ?? [], podsOf(one, namespace, services), `${at}.authorization.ports`),
      ...request,
    })),
  };
}

/** Another policy on a target of this one: there a request must be allowed by all of them, here by any. */
export function sharesTarget(one: AccessPolicy, other: AccessPolicy): boolean {
  const targets = ({ metadata: at, spec }: AccessPolicy): readonly string[] =>
    spec.targetRefs.map(({ kind, name = '' }) => `${kind} ${at.namespace}/${name}`);
  const others = new Set(targets(other));
  return targets(one).some((text) => others.has(text));
}

function inlineOf(
  { type, methods, paths, headers, hosts, mcp }: z.infer<typeof authorization>,
  at: string,
): object {
  if (type !== 'Inline')
    throw new Unsayable(`${at}.type`, `${type} has no counterpart: rules are lists, and no expressions`);
  if (Object.keys(mcp).length > 0)
    throw new Unsayable(`${at}.mcp`, 'has no counterpart: rules do not look at the methods and tools of MCP');
  if (hosts.length > 0)
    throw new Unsayable(
      `${at}.hosts`,
      'has no counterpart: rules go by the Service that is called, since callers write the Host themselves',
    );
  return {
    ...(methods.length === 0 ? {} : { methods }),
    ...(paths.length === 0 ? {} : { paths: paths.flatMap((one) => patternsOf(one, `${at}.paths`)) }),
    ...(headers.length === 0 ? {} : { headers: headers.map((one) => headerOf(one, `${at}.headers`)) }),
  };
}

/** The port of a request may be that of the Service or of the pod: it is said where both are one. */
function atPorts(
  ports: readonly number[],
  services: readonly ServiceShape[] | undefined,
  path: string,
): object {
  if (ports.length === 0 || services === undefined)
    return rulePorts(ports.length === 0 ? undefined : ports, services, path);
  const unclear = ports.find((port) =>
    services.some((service) => {
      const about = service.ports.filter((one) => one.port === port || one.targetPort === port);
      return about.length === 0 || about.some((one) => one.port !== one.targetPort);
    }),
  );
  if (unclear !== undefined)
    throw new Unsayable(
      path,
      `${unclear} is not both the port and the targetPort of the Service, or the Service is not in the files; which one is meant is not clear`,
    );
  return rulePorts(ports, services, path);
}

function podsOf(
  { kind, name, selector }: z.infer<typeof target>,
  namespace: string,
  services: readonly ServiceShape[],
): readonly ServiceShape[] | undefined {
  const path = 'spec.targetRefs';
  if (kind === 'Service' && name !== undefined)
    return [
      services.find((one) => one.namespace === namespace && one.name === name) ?? {
        namespace,
        name,
        selector: {},
        ports: [],
      },
    ];
  if (kind !== 'Pod')
    throw new Unsayable(path, `${kind} is not what our rules act on: they hold at the pods that are called`);
  const labels = selector?.matchLabels ?? {};
  return Object.keys(labels).length === 0
    ? undefined
    : servicesFor(labels, { namespace, path, effect: 'Allow' }, services);
}

function callerOf({ serviceAccount, spiffe }: z.infer<typeof source>, own: string, path: string): object {
  if (serviceAccount !== undefined) {
    const { name, namespace = own } = serviceAccount;
    return name === '*' ? { namespace: { name: namespace } } : { serviceAccount: { name, namespace } };
  }
  const [, trustDomain, namespace, name] =
    /^spiffe:\/\/([^/]+)\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(spiffe ?? '') ?? [];
  if (name === undefined)
    throw new Unsayable(
      path,
      `${spiffe ?? 'nothing'} is not of the form spiffe://DOMAIN/ns/NAMESPACE/sa/NAME, the only one that certificates of the mesh have`,
    );
  return { serviceAccount: { name, namespace, trustDomain } };
}
