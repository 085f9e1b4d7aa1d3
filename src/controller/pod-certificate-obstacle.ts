import { names } from '../base/index.js';
import type { ClusterView } from './cluster-view.js';
import { servesPodCertificates } from './trust-bundle.js';

/** Kubelets of Kubernetes 1 bring pod certificates of version 1 from this minor version on. */
const POD_CERTIFICATE_MINOR = 37;

/**
 * Why pods cannot have certificates from the kubelet in this cluster, and what to do; undefined: they can, as far as it shows. A kubelet whose
 * feature gate is off does not show.
 */
export function podCertificateObstacle(
  view: Pick<ClusterView, 'nodes' | 'clusterTrustBundles' | 'podCertificateRequests'>,
  revision: string,
): string | undefined {
  if (!servesPodCertificates(view))
    return 'the API server does not serve PodCertificateRequest and ClusterTrustBundle of certificates.k8s.io/v1: that takes Kubernetes 1.37';
  const old = [...view.nodes.store.values()].find(
    ({ kubeletVersion }) => !isAtLeast(kubeletVersion, POD_CERTIFICATE_MINOR),
  );
  if (old !== undefined)
    return `the kubelet of node ${old.metadata.name} is of ${old.kubeletVersion}: that takes version 1.37 on every node`;
  const name = names.trustBundleName(revision);
  return view.clusterTrustBundles.store.get(name) === undefined
    ? `ClusterTrustBundle ${name} is not there yet: the leader of the control plane makes it within seconds, so try again`
    : undefined;
}

/** Whether a kubelet is of this minor version of Kubernetes 1, or later. A version that cannot be read counts as such. */
export function isAtLeast(version: string, least: number): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  return major === undefined || Number(major) > 1 || Number(minor) >= least;
}
