import { names } from '../../base/index.js';
import { serviceNotes } from '../../controller/index.js';
import { Resources } from '../../kube/index.js';
import { declaredProtocol, serviceKey, type Service } from '../../model/index.js';
import { isJoined, ofKind, podsBehind, type Known, type KnownObject } from './known.js';
import { rows, type Place } from './row.js';

/** Services whose ports say something else than they are, and those that lead nowhere. */
export const SERVICE_ROWS = rows([
  {
    code: 'WEFT501',
    severity: 'warning',
    title: 'Port that probably speaks something else than it says',
    meaning:
      'The port is declared as plain HTTP and is one of servers that speak TLS, or of forward proxies. Where it does, callers get "wrong version number", or CONNECT is refused.',
    remedy: 'Write appProtocol: https, or tcp for a forward proxy.',
    find: (known) => portNotes(known, 'DoubtfulProtocol'),
  },
  {
    code: 'WEFT502',
    severity: 'warning',
    title: 'Protocol that the mesh does not know',
    meaning:
      'The appProtocol of the port is not one that Weft knows, so its bytes are carried unread: no routes, retries or request metrics.',
    remedy: 'Write http, http2, grpc or tcp, or leave appProtocol out to have the protocol detected.',
    find: (known) => portNotes(known, 'UnknownAppProtocol'),
  },
  {
    code: 'WEFT503',
    severity: 'note',
    title: 'Port whose protocol is guessed',
    meaning:
      'Neither appProtocol nor the name of the port says what it speaks. The proxy looks at the first bytes, and waits for them where the server speaks first.',
    remedy: 'Write appProtocol, or begin the name of the port with http, grpc or tcp.',
    find: (known) =>
      joinedServices(known).flatMap(({ object, service }) =>
        service.ports.flatMap((port, index) =>
          port.protocol === 'TCP' &&
          declaredProtocol(port) === 'unknown' &&
          !/^(https|tls|tcp)/.test(port.name)
            ? [
                {
                  object,
                  path: `spec.ports[${index}]`,
                  message: `nothing says what port ${port.port} speaks, so the proxy guesses; write appProtocol`,
                },
              ]
            : [],
        ),
      ),
  },
  {
    code: 'WEFT504',
    severity: 'warning',
    title: 'Selector that matches no pod',
    meaning:
      'No pod has the labels that the Service asks for: its callers are answered 503. Services that a controller made, as Flagger does for a canary, are passed over: it gives them pods when it wants.',
    remedy: 'Correct the selector or the labels of the pods.',
    find: (known) =>
      known.complete
        ? joinedServices(known).flatMap(({ object, service: { selector } }) =>
            selector === undefined ||
            isMade(object) ||
            podsBehind(known, object.namespace, selector).length > 0
              ? []
              : [
                  {
                    object,
                    path: 'spec.selector',
                    message:
                      'no pod has these labels, so callers are answered 503; correct the selector or the labels',
                  },
                ],
          )
        : [],
  },
  {
    code: 'WEFT505',
    severity: 'warning',
    title: 'No endpoint that is ready',
    meaning: 'Pods are behind the Service and none is ready: its callers are answered 503.',
    remedy: 'See why the pods are not ready: kubectl describe pods.',
    find: (known) =>
      known.live
        ? joinedServices(known).flatMap(({ object, service }) => {
            const addresses = known.mesh
              .endpointSetsOf(`${service.namespace}/${service.name}`)
              .flatMap((set) => set.addresses);
            const behind =
              service.selector === undefined ? [] : podsBehind(known, service.namespace, service.selector);
            return behind.length === 0 || addresses.some(({ ready }) => ready)
              ? []
              : [
                  {
                    object,
                    path: '',
                    message: `none of its ${behind.length} pods is ready, so callers are answered 503; see kubectl describe pods -n ${service.namespace}`,
                  },
                ];
          })
        : [],
  },
  {
    code: 'WEFT506',
    severity: 'warning',
    title: 'Target port that no container has',
    meaning:
      'The Service sends to a port by its name, and no container behind it has a port of that name: the port has no endpoints.',
    remedy: 'Name the port of the container, or write its number.',
    find: (known) =>
      joinedServices(known).flatMap(({ object, service }) => {
        const behind =
          service.selector === undefined ? [] : podsBehind(known, service.namespace, service.selector);
        if (behind.length === 0) return [];
        const there = new Set(
          behind.flatMap((pod) => Object.keys(known.mesh.workloads.get(pod.uid)?.namedPorts ?? {})),
        );
        return service.ports.flatMap(({ targetPort }, index) =>
          typeof targetPort === 'string' && !/^\d+$/.test(targetPort) && !there.has(targetPort)
            ? [
                {
                  object,
                  path: `spec.ports[${index}].targetPort`,
                  message: `no container behind the Service has a port named ${targetPort}${there.size === 0 ? '' : `; there is ${[...there].join(', ')}`}`,
                },
              ]
            : [],
        );
      }),
  },
  {
    code: 'WEFT507',
    severity: 'warning',
    title: 'Services that contradict each other about a port',
    meaning:
      'Two Services send to the same port of the same pods and declare different protocols: the receiving proxy believes neither, and guesses.',
    remedy: 'Declare the same protocol in both.',
    find: contradictions,
  },
  {
    code: 'WEFT508',
    severity: 'warning',
    title: 'BackendTLSPolicy for pods of the mesh',
    meaning:
      "Pods with a proxy are called with the mesh's own mutual TLS, and the policy says nothing there.",
    remedy: 'Remove the policy, or take the server out of the mesh if callers should speak TLS to it.',
    find: (known) =>
      ofKind(known, 'BackendTLSPolicy').flatMap((object) =>
        (known.mesh.backendTlsPolicies.get(object.uid)?.targets ?? []).flatMap(
          ({ namespace, name, field }) => {
            const selector = known.mesh.services.get(`${namespace}/${name}`)?.selector;
            const behind = selector === undefined ? [] : podsBehind(known, namespace, selector);
            return behind.length > 0 && behind.every(({ meshed }) => meshed)
              ? [
                  {
                    object,
                    path: field,
                    message: `every pod behind Service ${namespace}/${name} is in the mesh, whose mutual TLS is used instead; remove the policy`,
                  },
                ]
              : [];
          },
        ),
      ),
  },
  {
    code: 'WEFT509',
    severity: 'note',
    title: 'Grant that nobody uses',
    meaning: 'A ReferenceGrant permits TrafficPolicies of a namespace to send here, and none does.',
    remedy: 'Delete it, or the entry: what is not needed should not be allowed.',
    find: (known) => (known.complete ? unusedGrants(known) : []),
  },
  {
    code: 'WEFT510',
    severity: 'warning',
    title: 'Grant for a group that has no such kind',
    meaning: 'The ReferenceGrant names a kind with another group than it has, so that it permits nothing.',
    remedy: 'TrafficPolicy is of group weft.dev; HTTPRoute and GRPCRoute are of gateway.networking.k8s.io.',
    find: (known) =>
      ofKind(known, 'ReferenceGrant').flatMap((object) =>
        grantOf(object).from.flatMap(({ group = '', kind = '' }, index) => {
          const right = GROUPS[kind];
          return right === undefined || right === group
            ? []
            : [
                {
                  object,
                  path: `spec.from[${index}].group`,
                  message: `${kind} is of group ${right}, so that the entry permits nothing; correct the group`,
                },
              ];
        }),
      ),
  },
]);

const GROUPS: Readonly<Record<string, string>> = {
  TrafficPolicy: names.API_GROUP,
  HTTPRoute: 'gateway.networking.k8s.io',
  GRPCRoute: 'gateway.networking.k8s.io',
  TLSRoute: 'gateway.networking.k8s.io',
  TCPRoute: 'gateway.networking.k8s.io',
};

interface KnownService {
  readonly object: KnownObject;
  readonly service: Service;
}

/** Of namespaces that have joined or, where nobody knows, of all. */
function joinedServices(known: Known): readonly KnownService[] {
  return ofKind(known, 'Service', '').flatMap((object) => {
    const service = known.mesh.services.get(`${object.namespace}/${object.name}`);
    const joined = isJoined(known, object.namespace) ?? !known.live;
    return service === undefined || !joined ? [] : [{ object, service }];
  });
}

/** Whether a controller made it, and not a person. */
function isMade({ raw }: KnownObject): boolean {
  return raw.metadata?.ownerReferences?.some(({ controller }) => controller === true) ?? false;
}

/** What the operator tells Services in events. */
function portNotes(known: Known, wanted: string): readonly Place[] {
  return joinedServices(known).flatMap(({ object }) =>
    serviceNotes(
      Resources.service.keep(object.raw),
      known.mesh.backendTlsPoliciesOn(serviceKey(object.namespace, object.name)).length > 0,
    )
      .filter(({ reason }) => reason === wanted)
      .map(({ message }) => ({ object, path: 'spec.ports', message })),
  );
}

function contradictions(known: Known): readonly Place[] {
  const said = joinedServices(known).flatMap(({ object, service }) =>
    service.ports.flatMap((port, index) => {
      const protocol = declaredProtocol(port);
      if (protocol === 'unknown' || service.selector === undefined) return [];
      const behind = podsBehind(known, service.namespace, service.selector);
      return behind.map((pod) => ({
        object,
        index,
        protocol,
        place: `${pod.uid} ${String(port.targetPort)}`,
      }));
    }),
  );
  const found = [...Map.groupBy(said, ({ place }) => place).values()].flatMap((same) => {
    const other = same.find(({ protocol }) => protocol !== same[0]?.protocol);
    const first = same[0];
    if (other === undefined || first === undefined) return [];
    return [
      {
        object: other.object,
        path: `spec.ports[${other.index}]`,
        message: `Service ${first.object.namespace}/${first.object.name} sends to the same port of the same pods and declares another protocol, so that the receiving proxy guesses; declare the same in both`,
      },
    ];
  });
  return [...new Map(found.map((one) => [`${one.object.title} ${one.path}`, one])).values()];
}

interface LooseGrant {
  readonly from: readonly { readonly group?: string; readonly kind?: string; readonly namespace?: string }[];
}

function grantOf({ raw }: KnownObject): LooseGrant {
  const { from = [] } = (raw.spec ?? {}) as Partial<LooseGrant>;
  return { from };
}

function unusedGrants(known: Known): readonly Place[] {
  return ofKind(known, 'ReferenceGrant').flatMap((object) =>
    grantOf(object).from.flatMap(({ group = '', kind, namespace }, index) => {
      if (group !== names.API_GROUP || kind !== 'TrafficPolicy') return [];
      const used = ofKind(known, 'TrafficPolicy', names.API_GROUP).some(
        (policy) => policy.namespace === namespace && refersTo(policy.raw.spec, object.namespace),
      );
      return used
        ? []
        : [
            {
              object,
              path: `spec.from[${index}]`,
              message: `no TrafficPolicy of namespace ${namespace ?? ''} refers to a Service here; delete the entry`,
            },
          ];
    }),
  );
}

/** Whether anything in it names a namespace. */
function refersTo(node: unknown, namespace: string): boolean {
  if (typeof node !== 'object' || node === null) return false;
  return Object.entries(node).some(
    ([key, value]) => (key === 'namespace' && value === namespace) || refersTo(value, namespace),
  );
}
