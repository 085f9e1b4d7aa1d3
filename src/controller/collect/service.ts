import type { Service } from '../../kube/index.js';
import type { Service as MeshService } from '../../model/index.js';
import { transport } from './ports.js';

const TYPES: ReadonlySet<string> = new Set<MeshService['type']>([
  'ClusterIP',
  'NodePort',
  'LoadBalancer',
  'ExternalName',
]);

/** Values of `trafficDistribution` (KEP-3015, KEP-4444). Where a node has no endpoint, its zone comes next. */
const CLOSE: ReadonlySet<string> = new Set(['PreferClose', 'PreferSameZone', 'PreferSameNode']);

/** A Service in terms of the mesh. */
export function toService(service: Service): MeshService {
  const type = isType(service.type) ? service.type : 'ClusterIP';
  return {
    namespace: service.metadata.namespace,
    name: service.metadata.name,
    clusterIPs: service.clusterIPs,
    headless: type !== 'ExternalName' && service.clusterIPs.length === 0,
    type,
    ports: service.ports.map(({ name, port, targetPort, protocol, appProtocol }) => ({
      name,
      port,
      targetPort,
      protocol: transport(protocol),
      ...(appProtocol === '' ? {} : { appProtocol }),
    })),
    ...(isClose(service) ? { prefersClose: true } : {}),
    ...nodePolicyOf(service),
    ...(service.sessionAffinity === 'ClientIP' ? { affinitySeconds: service.affinitySeconds } : {}),
    ...(Object.keys(service.selector).length === 0 ? {} : { selector: service.selector }),
  };
}

/** Topology-aware routing, the older way to say it, writes its mode either way. */
function isClose({ trafficDistribution, topologyMode }: Service): boolean {
  return CLOSE.has(trafficDistribution) || topologyMode.toLowerCase() === 'auto';
}

function nodePolicyOf({ internalTrafficPolicy, trafficDistribution }: Service): Pick<MeshService, 'node'> {
  if (internalTrafficPolicy === 'Local') return { node: 'only' };
  return trafficDistribution === 'PreferSameNode' ? { node: 'prefer' } : {};
}

function isType(text: string): text is MeshService['type'] {
  return TYPES.has(text);
}
