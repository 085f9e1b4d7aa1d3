import { trafficPolicy as api } from '../../api/index.js';
import { ownResource, type CustomObject } from '../../kube/index.js';
import { isInForce, judge, policiesAbout, type Policy } from '../../model/index.js';
import { readPolicy, standInForPolicy } from '../collect/index.js';
import { acknowledgedStatus } from './acknowledged-status.js';
import type { KindRow } from './kind.js';
import { ASKED_FOR, BECAME } from './reasons.js';

export const trafficPolicy: KindRow<CustomObject, Policy> = {
  resource: ownResource(api),
  installedBy: 'weft',
  api,
  access: { read: ASKED_FOR, status: BECAME },
  feed: {
    table: ({ policies }) => policies,
    key: 'uid',
    written: true,
    read: readPolicy,
    standIn: standInForPolicy,
  },
  status: acknowledgedStatus({
    queue: 'policy-status',
    api,
    table: ({ policies }) => policies,
    about: policiesAbout,
    judge,
    isInForce,
  }),
};
