import type { Mesh } from '../tables/mesh.js';
import type { Callee } from '../words/rate-limit.js';
import type { Policy } from '../words/policy.js';
import type { Problem } from '../words/problem.js';
import { serviceKey } from '../words/keys.js';
import { declaredProtocol } from '../words/protocol.js';
import { stricterOutbound } from '../words/setting-words.js';

/** Whom limits of the policy name as called although what pods send there cannot be counted. */
export function judgeCallees(mesh: Mesh, { rateLimits = [] }: Policy): readonly Problem[] {
  return rateLimits.flatMap(({ to }, index): Problem[] => {
    const uncounted = to === undefined ? undefined : WHY[to.kind](mesh, to);
    return uncounted === undefined ? [] : [{ ...uncounted, field: `spec.rateLimit[${index}].to` }];
  });
}

type Uncounted = Omit<Problem, 'field'>;

const WHY: Readonly<Record<Callee['kind'], (mesh: Mesh, to: Callee) => Uncounted | undefined>> = {
  Service: serviceLost,
  ExternalService: externalServiceLost,
};

function missing(message: string): Uncounted {
  return { condition: 'ResolvedRefs', reason: 'BackendNotFound', message };
}

function unread(message: string): Uncounted {
  return { condition: 'Accepted', reason: 'Invalid', message };
}

function serviceLost(mesh: Mesh, { namespace, name }: Callee): Uncounted | undefined {
  const key = serviceKey(namespace, name);
  const service = mesh.services.get(key);
  if (service === undefined) {
    return missing(`Service ${key} does not exist; create it, or correct the name and namespace`);
  }
  if (service.clusterIPs.length === 0) {
    return unread(
      `Service ${key} has no cluster IP: its callers dial its pods, which is not counted; set clusterIP, or limit what its pods take`,
    );
  }
  const ports = service.ports.filter(({ protocol }) => protocol === 'TCP');
  if (ports.some((port) => declaredProtocol(port) !== 'opaque')) return undefined;
  if (ports.length === 0) {
    return unread(`counts requests, and Service ${key} has no TCP port; limit another Service`);
  }
  const listed = ports.map(({ port }) => port).join(', ');
  const carry = ports.length === 1 ? `port ${listed} carries` : `ports ${listed} carry`;
  return unread(`counts requests, and Service ${key} says that ${carry} bytes; correct its appProtocol`);
}

/** Requests that leave the mesh are read where it is judged where they go, and where the proxy opens their TLS. */
function externalServiceLost(mesh: Mesh, { namespace, name }: Callee): Uncounted | undefined {
  const service = mesh.externalServicesIn(namespace).find(({ ref }) => ref.name === name);
  if (service === undefined) {
    return missing(`ExternalService ${namespace}/${name} does not exist; create it, or correct the name`);
  }
  const ports = service.ports.filter(({ protocol }) => protocol === 'http');
  if (ports.length === 0) {
    return unread(
      `counts requests, and ExternalService ${namespace}/${name} has no port with protocol HTTP; give it one with tls, which the proxies open`,
    );
  }
  const { outbound, outboundMinimum } = mesh.settings;
  const said = stricterOutbound(outboundMinimum, mesh.namespaces.get(namespace)?.outbound ?? outbound);
  if (said === 'registryOnly' || ports.some(({ tls }) => tls !== undefined)) return undefined;
  return unread(
    `proxies read requests to ExternalService ${namespace}/${name} only under the outbound policy RegistryOnly, or at a port with tls; set either`,
  );
}
