import { Resources, type BackendPolicyObject } from '../../kube/index.js';
import { backendPoliciesAbout, judgeBackendPolicy, type BackendPolicy } from '../../model/index.js';
import { readBackendPolicy } from '../collect/index.js';
import { ancestorStatus } from './ancestor-status.js';
import type { KindRow } from './kind.js';
import { EXPERIMENTAL, OUR_ENTRIES } from './reasons.js';

export const backendPolicy: KindRow<BackendPolicyObject, BackendPolicy> = {
  resource: Resources.backendPolicy,
  installedBy: 'others',
  access: { read: EXPERIMENTAL, status: OUR_ENTRIES },
  feed: {
    table: ({ backendPolicies }) => backendPolicies,
    key: 'uid',
    written: true,
    read: (object) => ({ value: readBackendPolicy(object) }),
  },
  status: ancestorStatus({
    queue: 'backend-policy-status',
    table: ({ backendPolicies }) => backendPolicies,
    about: backendPoliciesAbout,
    judge: judgeBackendPolicy,
  }),
};
