import { names } from '../../base/index.js';
import type { Mesh } from '../tables/mesh.js';
import { countingExternalServices, opensTls } from '../tables/external-services.js';
import type { PodExternalService } from '../words/external-service.js';
import { PodAuthorities } from './pod-authorities.js';
import type { PolicyRef } from '../words/policy.js';
import { outboundInWord, stricterOutbound } from '../words/setting-words.js';
import type { OutboundPolicy } from '../words/settings.js';
import type { Workload } from '../words/workload.js';

/** What a pod may reach outside the mesh. */
export interface PodOutbound {
  readonly policy: OutboundPolicy;
  /** What its namespace declares, where that decides anything. */
  readonly services: readonly PodExternalService[];
  /** Certificates of authorities that these refer to. */
  readonly authorities: readonly (readonly Uint8Array[])[];
  /** The objects whose words are in it. */
  readonly sources: readonly PolicyRef[];
}

/**
 * What a namespace says of itself comes before the settings of the mesh. What a pod says of itself only counts where it is stricter,
 * because whoever writes pods says it. Nothing goes below the minimum of the installation.
 * Where nobody judges, ExternalServices only count for the TLS that they ask for.
 */
export function outboundOf(mesh: Mesh, { key, labels, serviceAccount }: Workload): PodOutbound {
  const { outbound, outboundMinimum } = mesh.settings;
  const ofNamespace = mesh.namespaces.get(key.namespace)?.outbound ?? outbound;
  const word = labels[names.Label.outboundPolicy];
  const ofPod = word === undefined ? undefined : outboundInWord(word);
  const all = mesh.externalServicesIn(key.namespace);
  const counting = countingExternalServices(all);
  // What is to leave in TLS and does not count may not leave at all, and where it goes the proxy does not know.
  const narrowed = all.length > counting.length && all.filter(opensTls).length > counting.length;
  const said = stricterOutbound(stricterOutbound(outboundMinimum, ofNamespace), ofPod);
  const policy = narrowed ? 'registryOnly' : said;
  if (policy === 'allowAny' && !counting.some(opensTls))
    return { policy, services: [], authorities: [], sources: [] };
  const authorities = new PodAuthorities(mesh);
  return {
    policy,
    services: counting.map((one) => {
      const { ref, serviceAccounts, ports, ...service } = one;
      return {
        name: `${ref.namespace}/${ref.name}`,
        ...service,
        ports: ports.map((port) => authorities.port(one, port)),
        permitted: serviceAccounts === undefined || serviceAccounts.includes(serviceAccount),
      };
    }),
    authorities: authorities.lists,
    sources: counting.map(({ ref }) => ref),
  };
}
