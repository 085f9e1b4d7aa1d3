import { Resources, type ReferenceGrant } from '../../kube/index.js';
import type { Grant } from '../../model/index.js';
import { toGrant } from '../collect/index.js';
import type { KindRow } from './kind.js';
import { GATEWAY_API } from './reasons.js';

/** A grant that cannot be read permits nothing: no earlier form of it stays in force. */
export const referenceGrant: KindRow<ReferenceGrant, Grant> = {
  resource: Resources.referenceGrant,
  installedBy: 'others',
  access: { read: GATEWAY_API },
  feed: {
    table: ({ grants }) => grants,
    key: 'name',
    written: false,
    read: (object) => ({ value: toGrant(object) }),
  },
};
