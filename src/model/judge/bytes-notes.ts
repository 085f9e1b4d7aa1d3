import { type MeshRoleBinding, type RoleRule, asksAboutRequests } from '../words/access.js';
import { serviceKey } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import { declaredProtocol } from '../words/protocol.js';
import type { Service, ServicePort } from '../words/service.js';

/** Ports that are named in a note; more are counted. */
const MOST_NAMED = 3;

/**
 * What a binding does at ports that are declared as bytes, where its rules ask about requests: not what its author may think. Only
 * rules that name Services or ports say something there.
 */
export function bytesNotes(mesh: Mesh, { ref, effect }: MeshRoleBinding): readonly string[] {
  const { namespace } = ref;
  const acting = mesh.accessIn(namespace).acting.find(({ binding }) => binding.ref.uid === ref.uid);
  const { role, rules = [] } = acting ?? {};
  return rules.flatMap((rule, index) => {
    const places = asksAboutRequests(rule) ? bytesPorts(mesh, namespace, rule) : [];
    if (places.length === 0) return [];
    const named = places.slice(0, MOST_NAMED).join(', ');
    const more = places.length > MOST_NAMED ? ` and ${places.length - MOST_NAMED} more` : '';
    const does = effect === 'deny' ? 'denies every connection' : 'allows nothing';
    const remedy =
      effect === 'deny' ? 'name other ports if that is not meant' : 'add a rule without them for those';
    return [
      `Rule ${index} of MeshRole ${namespace}/${role?.ref.name ?? ''} asks about requests, and bytes are none: at ${named}${more}, declared as bytes, it ${does}; ${remedy}.`,
    ];
  });
}

function bytesPorts(mesh: Mesh, namespace: string, { services, ports }: RoleRule): string[] {
  if (services === undefined && ports === undefined) return [];
  const names = services?.map((name) => serviceKey(namespace, name)) ?? mesh.servicesIn(namespace);
  return names.flatMap((key) => {
    const service = mesh.services.get(key);
    return (service?.ports ?? [])
      .filter((port) => port.protocol === 'TCP')
      .flatMap((port) => bytesPort(mesh, { service, port, services, ports }))
      .map((port) => `${key}:${port}`);
  });
}

/** A port of a Service that the rule names, or names by the pods' port behind it, if it carries bytes. */
function bytesPort(
  mesh: Mesh,
  asked: {
    readonly service: Service | undefined;
    readonly port: ServicePort;
    readonly services: readonly string[] | undefined;
    readonly ports: readonly number[] | undefined;
  },
): number[] {
  const { service, port, services, ports } = asked;
  if (service === undefined) return [];
  const targets = mesh.endpointSetsOf(serviceKey(service.namespace, service.name)).flatMap((set) => {
    const target = set.ports.find(({ name, protocol }) => name === port.name && protocol === 'TCP');
    return target === undefined ? [] : [{ target: target.port, addresses: set.addresses }];
  });
  const isNamed =
    ports === undefined ||
    (services === undefined
      ? targets.some(({ target }) => ports.includes(target))
      : ports.includes(port.port));
  if (!isNamed) return [];
  const isOpaque = targets.some(({ target, addresses }) =>
    addresses.some(({ pod = '' }) => mesh.workloads.get(pod)?.opaquePorts.includes(target) === true),
  );
  return isOpaque || declaredProtocol(port) === 'opaque' ? [port.port] : [];
}
