import * as z from 'zod';
import { rulePorts, servicesFor, Unsayable, type Grant, type ServiceShape } from './converted.js';

const metadata = z.object({ name: z.string(), namespace: z.string().default('default') });
const source = z.object({
  type: z.enum(['ServiceAccount', 'SPIFFE']).optional(),
  serviceAccount: z.object({ name: z.string(), namespace: z.string().optional() }).optional(),
  spiffe: z.string().optional(),
});
const target = z.object({
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
/** XAccessPolicy of agentic.networking.x-k8s.io. */
export const accessPolicy = z.object({
  metadata,
  spec: z.object({
    targetRefs: z.array(target),
    action: z.string().default('Allow'),
    rules: z.array(
      z.object({
        name: z.string().optional(),
        source: source.optional(),
        authorization: z.looseObject({ type: z.string() }).optional(),
      }),
    ),
  }),
});

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

/** Of each rule. */
export function convertAccessRule(
  { metadata: { namespace }, spec }: z.infer<typeof accessPolicy>,
  index: number,
  services: readonly ServiceShape[],
): Converted {
  const rule = spec.rules[index];
  const at = `spec.rules[${index}]`;
  if (spec.action !== 'Allow')
    throw new Unsayable(
      'spec.action',
      `${spec.action} has no counterpart: nobody outside of the proxy is asked`,
    );
  if (rule?.authorization !== undefined)
    throw new Unsayable(
      `${at}.authorization`,
      `${rule.authorization.type} decides by what MCP calls and tools are named, or by an expression or another server, and rules do not look there`,
    );
  return {
    subjects: [
      rule?.source === undefined ? { caller: 'Anyone' } : callerOf(rule.source, namespace, `${at}.source`),
    ],
    rules: spec.targetRefs.map((one) =>
      rulePorts(undefined, podsOf(one, namespace, services), 'spec.targetRefs'),
    ),
  };
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
