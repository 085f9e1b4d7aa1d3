import { names } from '../../base/index.js';
import { revisionOf, type ControlPlane } from '../control-planes.js';

/** Commands that findings name. Each works as typed, from the root of the repository; tests run them. */

/** Helm's note of which release an object belongs to. */
export const RELEASE = 'meta.helm.sh/release-name';

export function installCrds(namespace: string): string {
  return `helm upgrade --install weft-crds charts/weft-crds --namespace ${namespace} --create-namespace`;
}

/** Where nothing is installed yet; a second revision takes a release of its own and shares the service account. */
export function installControlPlane(namespace: string, revision: string): string {
  return revision === 'default'
    ? `helm upgrade --install weft charts/weft --namespace ${namespace} --create-namespace --wait`
    : `helm upgrade --install weft-${revision} charts/weft --namespace ${namespace} --set revision=${revision},serviceAccount.create=false --wait`;
}

/** Puts back what was deleted of an installation, with the values it was installed with. */
export function reinstallControlPlane(controlPlane: ControlPlane): string {
  const { namespace, annotations } = controlPlane.metadata;
  const release = annotations[RELEASE];
  return release === undefined
    ? installControlPlane(namespace, revisionOf(controlPlane))
    : `helm upgrade ${release} charts/weft --namespace ${namespace} --reset-then-reuse-values`;
}

export function describeReplicas(namespace: string, revision: string): string {
  return `kubectl describe pods --namespace ${namespace} --selector app.kubernetes.io/name=weft,${names.Label.rev}=${revision}`;
}

/** The log of the replica that leads, which does what only one may do. */
export function leadersLog(namespace: string, revision: string): string {
  const lease = `kubectl get lease ${names.revisionName(revision)} --namespace ${namespace} --output jsonpath={.spec.holderIdentity}`;
  return `kubectl logs --namespace ${namespace} --tail 50 "$(${lease})"`;
}

export function restartDeployments(namespace: string): string {
  return `kubectl rollout restart deployment --namespace ${namespace}`;
}

export function joinNamespace(namespace: string, revision: string): string {
  const which = revision === 'default' ? '' : ` ${names.Label.rev}=${revision}`;
  return `kubectl label namespace ${namespace} ${names.Label.inject}=enabled${which}`;
}

export function annotateNamespace(namespace: string, annotations: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(annotations).map(([name, value]) => `${name}=${value}`);
  return `kubectl annotate namespace ${namespace} --overwrite ${pairs.join(' ')}`;
}
