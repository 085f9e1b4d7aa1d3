import { Resources, type Service } from '../../kube/index.js';
import type { Service as MeshService } from '../../model/index.js';
import { toService } from '../collect/index.js';
import type { KindRow } from './kind.js';
import { MADE_OF } from './reasons.js';

export const service: KindRow<Service, MeshService> = {
  resource: Resources.service,
  installedBy: 'kubernetes',
  access: { read: MADE_OF },
  feed: {
    table: ({ services }) => services,
    key: 'name',
    written: false,
    read: (object) => ({ value: toService(object) }),
  },
};
