import { meshTlsPolicy as api } from '../../api/index.js';
import { ownResource, type CustomObject } from '../../kube/index.js';
import { isTlsPolicyInForce, judgeTlsPolicy, tlsPoliciesAbout, type TlsPolicy } from '../../model/index.js';
import { readTlsPolicy, standInForTlsPolicy } from '../collect/index.js';
import { acknowledgedStatus } from './acknowledged-status.js';
import type { KindRow } from './kind.js';
import { ASKED_FOR, BECAME } from './reasons.js';

export const meshTlsPolicy: KindRow<CustomObject, TlsPolicy> = {
  resource: ownResource(api),
  installedBy: 'weft',
  api,
  access: { read: ASKED_FOR, status: BECAME },
  feed: {
    table: ({ tlsPolicies }) => tlsPolicies,
    key: 'uid',
    written: true,
    lasting: true,
    read: readTlsPolicy,
    standIn: standInForTlsPolicy,
  },
  status: acknowledgedStatus({
    queue: 'tls-policy-status',
    api,
    table: ({ tlsPolicies }) => tlsPolicies,
    about: tlsPoliciesAbout,
    judge: judgeTlsPolicy,
    isInForce: isTlsPolicyInForce,
  }),
};
