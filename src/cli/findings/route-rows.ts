import { isDeepStrictEqual } from 'node:util';
import { declaredProtocol } from '../../model/index.js';
import { coversAll, neverHolds } from './matches.js';
import { isJoined, ofKind, podsBehind, type Known, type KnownObject } from './known.js';
import { policiesOf, policyRoutes, targetsOf, type RouteOfPolicy } from './policies.js';
import { rows, type Place } from './row.js';

/** What routes do otherwise than their authors think. */
export const ROUTE_ROWS = rows([
  {
    code: 'WEFT301',
    severity: 'warning',
    title: 'Shadowed route',
    meaning:
      'The first route that matches handles a request, and an earlier one matches everything that this one does: no request gets here.',
    remedy: 'Move the narrower route before the wider one, or remove it.',
    find: shadowed,
  },
  {
    code: 'WEFT302',
    severity: 'warning',
    title: 'Match that never holds',
    meaning: 'Two of its conditions contradict each other, so no request fulfils it.',
    remedy:
      'Remove one of the conditions, or give each a match of its own: of several matches one has to hold.',
    find: (known) =>
      policyRoutes(known).flatMap(({ object, route, path }) =>
        (route.match ?? []).flatMap((match, index) => {
          const why = neverHolds(match);
          return why === undefined
            ? []
            : [
                {
                  object,
                  path: `${path}.match[${index}]`,
                  message: `${why}, so it never holds; keep one of the two`,
                },
              ];
        }),
      ),
  },
  {
    code: 'WEFT303',
    severity: 'warning',
    title: 'The same match twice in a route',
    meaning: 'Two rules of an HTTPRoute or GRPCRoute have an equal match; the first one takes the requests.',
    remedy:
      'Merge the two rules, or remove one; to share requests between backends, list them with weights in one rule.',
    find: twiceInRoute,
  },
  {
    code: 'WEFT304',
    severity: 'warning',
    title: 'The same match in two routes of a Service',
    meaning:
      'Two HTTPRoutes, or two GRPCRoutes, have the same Service as parent and an equal match; the older route takes the requests.',
    remedy: 'Merge the two, or let them match different requests.',
    find: twiceOnService,
  },
  {
    code: 'WEFT305',
    severity: 'warning',
    title: 'Match by a caller that has no mesh identity',
    meaning:
      'The match asks for callers of a namespace that has not joined the mesh, or does not exist: nobody calls from there.',
    remedy:
      'Correct the name, or let the namespace join: kubectl label namespace NAME weft.dev/inject=enabled.',
    find: (known) =>
      policyRoutes(known).flatMap(({ object, route, path }) =>
        (route.match ?? []).flatMap(({ from }, index) =>
          (from?.namespaces ?? []).flatMap((namespace, place) =>
            callerNobodyHas(known, namespace, {
              object,
              path: `${path}.match[${index}].from.namespaces[${place}]`,
            }),
          ),
        ),
      ),
  },
  {
    code: 'WEFT306',
    severity: 'warning',
    title: 'Mirror to where the request goes',
    meaning:
      'Copies go to the same Service as the requests, with the same labels or none: each request is handled twice there.',
    remedy: 'Name another Service, or the labels of pods that take copies only.',
    find: (known) => policyRoutes(known).flatMap((route) => mirrorsToItself(route)),
  },
  {
    code: 'WEFT307',
    severity: 'note',
    title: 'Share with weight 0',
    meaning:
      'The entry gets no requests. That is how a canary waits for its turn, and what a forgotten one looks like.',
    remedy: 'Give it a weight above 0, or remove it.',
    find: (known) =>
      policyRoutes(known).flatMap(({ object, route, path }) =>
        (route.split ?? []).flatMap(({ weight }, index) =>
          weight === 0
            ? [
                {
                  object,
                  path: `${path}.split[${index}].weight`,
                  message: 'is 0, so nothing is sent there; remove the entry if it is no longer meant',
                },
              ]
            : [],
        ),
      ),
  },
  {
    code: 'WEFT308',
    severity: 'warning',
    title: 'Session beside weights',
    meaning:
      'A session keeps to its endpoint whatever the weights say: they decide for new sessions only, and shares move slowly, or not at all.',
    remedy: 'Expect that of the canary, or remove the session while weights move.',
    find: (known) =>
      policyRoutes(known).flatMap(({ object, route, path }) =>
        route.session !== undefined && (route.split ?? []).filter(({ weight }) => weight !== 0).length > 1
          ? [
              {
                object,
                path: `${path}.session`,
                message: 'keeps callers to their endpoint, so that weights decide for new sessions only',
              },
            ]
          : [],
      ),
  },
  {
    code: 'WEFT309',
    severity: 'warning',
    title: 'Labels that no pod has',
    meaning:
      'A share of the requests goes to pods with labels that no pod behind the Service has: it is answered 503, or goes to the fallback.',
    remedy: 'Correct the labels, or start the pods.',
    find: (known) =>
      known.complete ? policiesOf(known).flatMap((policy) => emptySubsets(known, policy)) : [],
  },
  {
    code: 'WEFT310',
    severity: 'warning',
    title: 'Route that answers by itself, with settings for what it sends',
    meaning:
      'The route redirects or answers and sends nothing on, so its retries, timeouts, hedging or limits do nothing.',
    remedy: 'Remove them from the route.',
    find: (known) =>
      policyRoutes(known).flatMap(({ object, route, path }) => {
        if (route.redirect === undefined && route.directResponse === undefined) return [];
        const idle = (['retries', 'timeouts', 'hedging', 'limits'] as const).filter(
          (field) => route[field] !== undefined,
        );
        return idle.map((field) => ({
          object,
          path: `${path}.${field}`,
          message: 'has no effect, since the route answers by itself; remove it',
        }));
      }),
  },
  {
    code: 'WEFT311',
    severity: 'warning',
    title: 'Routes on a Service without an address',
    meaning:
      'Callers of a headless Service dial its pods, and those of an ExternalName another host: the routes of the policy handle none of that.',
    remedy: 'Target a Service with a cluster IP, and let callers use its name.',
    find: (known) =>
      policiesOf(known).flatMap((policy) =>
        targetsOf(known, policy).flatMap(({ path, service }) => {
          if ((policy.spec.routes ?? []).length === 0) return [];
          if (!service.headless && service.type !== 'ExternalName') return [];
          const what = service.headless ? 'is headless' : 'is of type ExternalName';
          return [
            {
              object: policy.object,
              path,
              message: `Service ${service.namespace}/${service.name} ${what}, so no route is taken for it; target a Service with a cluster IP`,
            },
          ];
        }),
      ),
  },
  {
    code: 'WEFT312',
    severity: 'warning',
    title: 'Routes for requests at a port of bytes',
    meaning:
      'Every port that the policy is about is declared as one that carries bytes, which nobody reads: routes that ask about requests never match.',
    remedy: 'Correct appProtocol or the name of the port, or remove the routes.',
    find: (known) => policiesOf(known).flatMap((policy) => routesOfBytes(known, policy)),
  },
]);

function shadowed(known: Known): readonly Place[] {
  return policiesOf(known).flatMap(({ object, spec: { routes = [] } }) =>
    routes.flatMap((route, index) => {
      const earlier = routes.slice(0, index).findIndex((one) => coversAll(one.match, route.match));
      if (earlier < 0) return [];
      const name = routes[earlier]?.name ?? `route-${earlier}`;
      const message = `never gets a request: route ${name} before it matches everything that it matches; move it before ${name}, or remove it`;
      return [{ object, path: `spec.routes[${index}]`, message }];
    }),
  );
}

/** An object that is not readable as a route says nothing here. */
interface LooseRoute {
  readonly parentRefs?: readonly {
    readonly kind?: string;
    readonly name?: string;
    readonly namespace?: string;
    readonly port?: number;
  }[];
  readonly rules?: readonly { readonly matches?: readonly unknown[] }[];
}

interface RouteMatch {
  readonly object: KnownObject;
  readonly path: string;
  readonly match: unknown;
}

function requestRoutes(known: Known): readonly KnownObject[] {
  return [...ofKind(known, 'HTTPRoute', GATEWAY_API), ...ofKind(known, 'GRPCRoute', GATEWAY_API)];
}

const GATEWAY_API = 'gateway.networking.k8s.io';

function matchesIn(object: KnownObject): readonly RouteMatch[] {
  const { rules = [] } = (object.raw.spec ?? {}) as LooseRoute;
  return rules.flatMap(({ matches = [] }, rule) =>
    matches.map((match, index) => ({ object, match, path: `spec.rules[${rule}].matches[${index}]` })),
  );
}

function twiceInRoute(known: Known): readonly Place[] {
  return requestRoutes(known).flatMap((object) => {
    const all = matchesIn(object);
    return all.flatMap((one, index) => {
      const first = all.slice(0, index).find(({ match }) => isDeepStrictEqual(match, one.match));
      return first === undefined
        ? []
        : [
            {
              object,
              path: one.path,
              message: `is the same as ${first.path}, which takes the requests; remove one of them`,
            },
          ];
    });
  });
}

function twiceOnService(known: Known): readonly Place[] {
  const all = requestRoutes(known);
  return all.flatMap((object, index) =>
    matchesIn(object).flatMap(({ path, match }) => {
      const rival = all
        .slice(0, index)
        .find(
          (other) =>
            other.kind === object.kind &&
            parentsOf(other).some((parent) => parentsOf(object).includes(parent)) &&
            matchesIn(other).some((one) => isDeepStrictEqual(one.match, match)),
        );
      if (rival === undefined) return [];
      return [
        {
          object,
          path,
          message: `${rival.title} has the same match for the same Service, and the older of the two takes the requests; merge them`,
        },
      ];
    }),
  );
}

function parentsOf({ raw, namespace }: KnownObject): readonly string[] {
  const { parentRefs = [] } = (raw.spec ?? {}) as LooseRoute;
  return parentRefs
    .filter(({ kind }) => kind === 'Service')
    .map((parent) => `${parent.namespace ?? namespace}/${parent.name ?? ''}:${parent.port ?? ''}`);
}

/** A namespace that a condition on callers names, and from which nobody calls. */
export function callerNobodyHas(
  known: Known,
  namespace: string,
  at: Omit<Place, 'message'>,
): readonly Place[] {
  const joined = isJoined(known, namespace);
  if (joined === true || (joined === undefined && !known.complete)) return [];
  if (known.pods.some(({ object, meshed }) => meshed && object.namespace === namespace)) return [];
  const what = joined === undefined ? 'does not exist' : 'has not joined the mesh';
  return [
    {
      ...at,
      message: `namespace ${namespace} ${what}, so that nobody calls from there under its name; correct it, or let the namespace join`,
    },
  ];
}

function mirrorsToItself({ object, spec, route, path }: RouteOfPolicy): readonly Place[] {
  const targets = spec.targetRefs.map(({ namespace, name }) => `${namespace ?? object.namespace}/${name}`);
  const goesTo = (entry: {
    readonly service?: { readonly namespace?: string | undefined; readonly name: string } | undefined;
  }): readonly string[] =>
    entry.service === undefined
      ? targets
      : [`${entry.service.namespace ?? object.namespace}/${entry.service.name}`];
  const shares = route.split ?? [{}];
  return (route.mirror ?? []).flatMap((mirror, index) => {
    const same = shares.some(
      (share) =>
        goesTo(share).some((service) => goesTo(mirror).includes(service)) &&
        (mirror.labels === undefined ||
          ('labels' in share && isDeepStrictEqual(share.labels, mirror.labels))),
    );
    return same
      ? [
          {
            object,
            path: `${path}.mirror[${index}]`,
            message:
              'sends each copy to where its request goes; name another Service, or labels of pods that take no requests',
          },
        ]
      : [];
  });
}

function emptySubsets(
  known: Known,
  { object, spec }: { readonly object: KnownObject; readonly spec: RouteOfPolicy['spec'] },
): readonly Place[] {
  const targets = spec.targetRefs
    .filter(({ kind }) => kind === 'Service')
    .map(({ namespace, name }) => `${namespace ?? object.namespace}/${name}`);
  return (spec.routes ?? []).flatMap((route, index) =>
    (route.split ?? []).flatMap(({ labels, service }, place) => {
      if (labels === undefined) return [];
      const asked =
        service === undefined ? targets : [`${service.namespace ?? object.namespace}/${service.name}`];
      const missing = asked.find((key) => {
        const target = known.mesh.services.get(key);
        if (target?.selector === undefined) return false;
        return podsBehind(known, target.namespace, { ...target.selector, ...labels }).length === 0;
      });
      if (missing === undefined) return [];
      const text = Object.entries(labels)
        .map(([name, value]) => `${name}=${value}`)
        .join(',');
      return [
        {
          object,
          path: `spec.routes[${index}].split[${place}].labels`,
          message: `no pod behind Service ${missing} has ${text}; correct the labels, or start the pods`,
        },
      ];
    }),
  );
}

/** Ports whose bytes are told apart by their server names may have routes by these. */
function routesOfBytes(
  known: Known,
  policy: { readonly object: KnownObject; readonly spec: RouteOfPolicy['spec'] },
): readonly Place[] {
  const ports = targetsOf(known, policy).flatMap((target) => target.ports);
  if (ports.length === 0 || !ports.every((port) => declaredProtocol(port) === 'opaque')) return [];
  return (policy.spec.routes ?? []).flatMap(({ match = [] }, index) => {
    const asks =
      match.length > 0 &&
      match.every(({ headers, path, query, method }) =>
        [headers, path, query, method].some((given) => given !== undefined),
      );
    return asks
      ? [
          {
            object: policy.object,
            path: `spec.routes[${index}].match`,
            message: `asks about requests, and port ${ports.map(({ port }) => port).join(', ')} carries bytes; correct its appProtocol, or remove the match`,
          },
        ]
      : [];
  });
}
