import { Resources, type MeshObject } from '../../kube/index.js';
import { meshStatus } from '../mesh-status.js';
import type { KindRow } from './kind.js';
import { EXPERIMENTAL, OUR_ENTRIES } from './reasons.js';

/** Gateway API's XMesh: asks for nothing, and shows what Weft supports. */
export const mesh: KindRow<MeshObject> = {
  resource: Resources.mesh,
  installedBy: 'others',
  access: { read: EXPERIMENTAL, status: OUR_ENTRIES },
  status: {
    queue: 'mesh-status',
    write: 'apply',
    judge: ({ clock }) => ({ of: (object) => ({ status: meshStatus(object, clock.now()) }) }),
  },
};
