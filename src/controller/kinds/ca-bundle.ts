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
 * ConfigMaps of the namespaces in which a policy names one, and of those only the key `ca.crt`. By namespace, since a watch for each that
 * is named would let one author take all connections. RBAC cannot permit just these; where the right is withheld, policies refuse.
 */
export const caBundle: KindRow<CaBundleObject, CaBundle> & Required<Pick<KindRow, 'askedBy'>> = {
  resource: Resources.caBundle,
  installedBy: 'others',
  askedBy: ['backendTlsPolicies', 'externalServices'],
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
