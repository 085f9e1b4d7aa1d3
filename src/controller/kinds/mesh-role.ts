import { meshRole as api } from '../../api/index.js';
import { ownResource, type CustomObject } from '../../kube/index.js';
import { isAccessInForce, judgeRole, rolesAbout, type MeshRole } from '../../model/index.js';
import { readRole } from '../collect/index.js';
import { acknowledgedStatus } from './acknowledged-status.js';
import type { KindRow } from './kind.js';
import { ASKED_FOR, BECAME } from './reasons.js';

export const meshRole: KindRow<CustomObject, MeshRole> = {
  resource: ownResource(api),
  installedBy: 'weft',
  api,
  access: { read: ASKED_FOR, status: BECAME },
  feed: { table: ({ roles }) => roles, key: 'uid', written: true, lasting: true, read: readRole },
  status: acknowledgedStatus({
    queue: 'role-status',
    api,
    table: ({ roles }) => roles,
    about: rolesAbout,
    judge: judgeRole,
    isInForce: isAccessInForce,
  }),
};
