import { Resources, type CaBundleObject } from '../../kube/index.js';
import type { CaBundle } from '../../model/index.js';
import type { Feed, KindRow } from './kind.js';
import { AUTHORITIES, TRUST_BUNDLES } from './reasons.js';

const FEED: Feed<CaBundleObject, CaBundle> = {
  table: ({ caBundles }) => caBundles,
  key: 'name',
  written: false,
  read: ({ metadata: { namespace, name }, pem }) => ({
    value: pem === undefined ? undefined : { namespace, name, pem },
  }),
};

/**
 * ConfigMaps, of which only the key `ca.crt` is kept. RBAC cannot permit those alone that a policy names; a cluster that
 * withholds the right keeps everything but BackendTLSPolicies, which then refuse.
 */
export const caBundle: KindRow<CaBundleObject, CaBundle> = {
  resource: Resources.caBundle,
  installedBy: 'others',
  access: { read: AUTHORITIES },
  feed: FEED,
};

/** Of version 1, which is served by default from Kubernetes 1.37 on. */
export const clusterTrustBundle: KindRow<CaBundleObject, CaBundle> = {
  resource: Resources.clusterTrustBundle,
  installedBy: 'others',
  access: { read: TRUST_BUNDLES },
  feed: FEED,
};
