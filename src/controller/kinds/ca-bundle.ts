import { Resources, type CaBundleObject } from '../../kube/index.js';
import type { CaBundle } from '../../model/index.js';
import type { KindRow } from './kind.js';
import { AUTHORITIES } from './reasons.js';

/**
 * ConfigMaps, of which only the key `ca.crt` is kept. RBAC cannot permit those alone that a policy names; a cluster that
 * withholds the right keeps everything but BackendTLSPolicies, which then refuse.
 */
export const caBundle: KindRow<CaBundleObject, CaBundle> = {
  resource: Resources.caBundle,
  installedBy: 'others',
  access: { read: AUTHORITIES },
  feed: {
    table: ({ caBundles }) => caBundles,
    key: 'name',
    written: false,
    read: ({ metadata: { namespace, name }, pem }) => ({
      value: pem === undefined ? undefined : { namespace, name, pem },
    }),
  },
};
