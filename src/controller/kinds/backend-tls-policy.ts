import { Resources, type BackendPolicyObject } from '../../kube/index.js';
import {
  backendTlsPoliciesAbout,
  judgeBackendTlsPolicy,
  namesConfigMap,
  type BackendTlsPolicy,
} from '../../model/index.js';
import { readBackendTlsPolicy } from '../collect/index.js';
import { ancestorStatus } from './ancestor-status.js';
import type { KindRow } from './kind.js';
import { BACKEND_TLS, OUR_ENTRIES } from './reasons.js';

export const backendTlsPolicy: KindRow<BackendPolicyObject, BackendTlsPolicy> = {
  resource: Resources.backendTlsPolicy,
  installedBy: 'others',
  access: { read: BACKEND_TLS, status: OUR_ENTRIES },
  feed: {
    table: ({ backendTlsPolicies }) => backendTlsPolicies,
    key: 'uid',
    written: true,
    read: (object) => ({ value: readBackendTlsPolicy(object) }),
    beside: {
      kind: 'caBundles',
      namespaceOf: (policy) => (namesConfigMap(policy) ? policy.ref.namespace : undefined),
    },
  },
  status: ancestorStatus({
    queue: 'backend-tls-policy-status',
    table: ({ backendTlsPolicies }) => backendTlsPolicies,
    about: backendTlsPoliciesAbout,
    judge: judgeBackendTlsPolicy,
  }),
};
