import * as z from 'zod';
import { dnsLabel, dnsName, port } from '../schema/fields.js';
import { type Rule, withRules } from '../schema/rule.js';

/** What a policy is about. */

const GATEWAY_API = 'gateway.networking.k8s.io';

const fields = z.strictObject({
  group: z
    .enum(['', GATEWAY_API, 'weft.dev'])
    .optional()
    .meta({ description: 'API group of the kind. Defaults to the group that the kind belongs to.' }),
  kind: z.enum(['Service', 'HTTPRoute', 'GRPCRoute', 'ExternalService', 'Namespace']).meta({
    description:
      'Kind of the object whose traffic the policy shapes. Namespace means every Service in it that no policy targets directly.',
  }),
  name: dnsName.meta({ description: 'Name of the object.' }),
  namespace: dnsLabel.optional().meta({
    description:
      'Namespace of the object. Defaults to the namespace of the policy. If it is another one, the policy acts only on callers in its own namespace, and for them it replaces what the owner of the object says.',
  }),
  port: port
    .optional()
    .meta({ description: 'Port of the Service. By default every port that no other policy names.' }),
  sectionName: dnsLabel.optional().meta({
    description:
      'Name of a rule of the HTTPRoute or GRPCRoute. By default every rule that no other policy names.',
  }),
});

type Fields = z.infer<typeof fields>;

/** Whether a target is a route of Gateway API. */
export function isRoute({ kind }: Pick<Fields, 'kind'>): boolean {
  return kind === 'HTTPRoute' || kind === 'GRPCRoute';
}

const IS_ROUTE = "self.kind in ['HTTPRoute', 'GRPCRoute']";

export const targetRef = withRules(
  fields,
  {
    cel: `!has(self.group) || (${IS_ROUTE}) == (self.group == '${GATEWAY_API}')`,
    message: `HTTPRoute and GRPCRoute are of group ${GATEWAY_API}, and no other kind is; correct the group or leave it out`,
    field: '.group',
    holds: (target) => target.group === undefined || isRoute(target) === (target.group === GATEWAY_API),
  },
  {
    cel: `!has(self.sectionName) || ${IS_ROUTE}`,
    message: 'names a rule of an HTTPRoute or GRPCRoute; use port for a part of a Service',
    field: '.sectionName',
    holds: (target) => target.sectionName === undefined || isRoute(target),
  },
  {
    cel: `!has(self.port) || !(${IS_ROUTE})`,
    message: 'a route has no port; use sectionName for one of its rules',
    field: '.port',
    holds: (target) => target.port === undefined || !isRoute(target),
  },
  {
    cel: "self.kind != 'Namespace' || !has(self.__namespace__)",
    message: 'a Namespace is not in a namespace; put the one you mean in name, and remove this',
    field: '.namespace',
    holds: ({ kind, namespace }) => kind !== 'Namespace' || namespace === undefined,
  },
);

interface Spec {
  readonly targetRefs: readonly Fields[];
  readonly routes?: readonly Readonly<Record<string, unknown>>[] | undefined;
  readonly loadBalancer?: unknown;
  readonly circuitBreaker?: unknown;
  readonly rateLimit?: unknown;
  readonly externalAuthorization?: unknown;
  readonly tracing?: unknown;
  readonly accessLog?: unknown;
}

const ON_ROUTES = "self.targetRefs.exists(t, t.kind in ['HTTPRoute', 'GRPCRoute'])";

/** What a route of Gateway API says itself. */
const SAID_BY_ROUTE = ['name', 'match', 'split', 'headers', 'rewrite', 'redirect', 'directResponse'] as const;

function addsOnly([only, ...more]: NonNullable<Spec['routes']>): boolean {
  return more.length === 0 && SAID_BY_ROUTE.every((field) => only?.[field] === undefined);
}

/** What holds between the targets and the rest of a spec. */
export const targetRules: readonly Rule<Spec>[] = [
  {
    cel: `!(${ON_ROUTES}) || self.targetRefs.all(t, t.kind in ['HTTPRoute', 'GRPCRoute'])`,
    message: 'a policy is about routes of Gateway API or about Services, not both; split it in two',
    field: '.targetRefs',
    holds: ({ targetRefs }) => !targetRefs.some(isRoute) || targetRefs.every(isRoute),
  },
  {
    cel: `!(${ON_ROUTES}) || !has(self.routes) || size(self.routes) == 0 || (size(self.routes) == 1 && ${SAID_BY_ROUTE.map(
      (field) => `!has(self.routes[0].${field})`,
    ).join(' && ')})`,
    message: `a policy on a route of Gateway API has one entry here and adds to the rules of the route: no ${SAID_BY_ROUTE.join(', ')}, which the route says itself`,
    field: '.routes',
    holds: ({ targetRefs, routes = [] }) =>
      routes.length === 0 || !targetRefs.some(isRoute) || addsOnly(routes),
  },
  {
    cel: `!(${ON_ROUTES}) || (!has(self.loadBalancer) && !has(self.circuitBreaker) && !has(self.rateLimit) && !has(self.externalAuthorization) && !has(self.tracing) && !has(self.accessLog))`,
    message:
      'loadBalancer, circuitBreaker, rateLimit, externalAuthorization, tracing and accessLog are about all traffic to a Service; target the Service',
    field: '.targetRefs',
    holds: ({ targetRefs, ...rest }) =>
      !targetRefs.some(isRoute) ||
      [
        rest.loadBalancer,
        rest.circuitBreaker,
        rest.rateLimit,
        rest.externalAuthorization,
        rest.tracing,
        rest.accessLog,
      ].every((given) => given === undefined),
  },
];
