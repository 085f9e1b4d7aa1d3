import { meshRoleBinding as api } from '../../api/index.js';
import { ownResource, type CustomObject } from '../../kube/index.js';
import {
  bytesNotes,
  isAccessInForce,
  judgeRoleBinding,
  roleBindingsAbout,
  type MeshRoleBinding,
} from '../../model/index.js';
import { readRoleBinding, standInForRoleBinding } from '../collect/index.js';
import { acknowledgedStatus } from './acknowledged-status.js';
import type { KindRow } from './kind.js';
import { ASKED_FOR, BECAME } from './reasons.js';

export const meshRoleBinding: KindRow<CustomObject, MeshRoleBinding> = {
  resource: ownResource(api),
  installedBy: 'weft',
  api,
  access: { read: ASKED_FOR, status: BECAME },
  feed: {
    table: ({ roleBindings }) => roleBindings,
    key: 'uid',
    written: true,
    lasting: true,
    read: readRoleBinding,
    standIn: standInForRoleBinding,
  },
  status: acknowledgedStatus({
    queue: 'role-binding-status',
    api,
    table: ({ roleBindings }) => roleBindings,
    about: roleBindingsAbout,
    judge: judgeRoleBinding,
    notes: bytesNotes,
    isInForce: isAccessInForce,
  }),
};
