import { unknownNames } from '../../api/index.js';
import { asksOutside, names } from '../../base/index.js';
import type { Pod } from './pod.js';
import { namespaceResources } from './annotations.js';
import { podCertificateProblems } from './pod-certificate.js';
import type { InjectionSettings, Namespace } from './settings.js';

/** What an author probably did not mean, said without refusing anything. `kubectl` prints it where it creates the pod. */
export function warningsAbout(
  pod: Pod,
  namespace: Namespace | undefined,
  settings: InjectionSettings,
): readonly string[] {
  return [
    ...unknownNames(pod.metadata),
    ...namespaceResources(namespace?.annotations ?? {}, settings.resources).problems,
    ...podCertificateProblems(namespace),
    ...nameServers(pod, settings),
  ];
}

function nameServers(
  { spec }: Pod,
  { revision, systemNamespace, clusterDomain }: InjectionSettings,
): readonly string[] {
  const policy = spec.dnsPolicy ?? 'ClusterFirst';
  if (!asksOutside(policy)) return [];
  const host = `${names.revisionName(revision)}.${systemNamespace}.svc.${clusterDomain}`;
  return [
    `dnsPolicy ${policy}: the proxy finds the control plane by the name ${host}, which the pod's name servers must resolve, or the pod does not start`,
  ];
}
