import { Resources, type Pod } from '../../kube/index.js';
import type { Workload } from '../../model/index.js';
import { hasEnded, toWorkload } from '../collect/index.js';
import type { KindRow } from './kind.js';
import { MADE_OF } from './reasons.js';

/** A StatefulSet's next pod has the name of the one before but not its uid, by which the table knows it. */
export const pod: KindRow<Pod, Workload> = {
  resource: Resources.pod,
  installedBy: 'kubernetes',
  access: { read: MADE_OF },
  feed: {
    table: ({ workloads }) => workloads,
    key: 'uid',
    written: false,
    read: (object, { installed: { cluster, network }, zoneOf }) =>
      hasEnded(object)
        ? {}
        : { value: toWorkload(object, { cluster, network, zone: zoneOf(object.nodeName) }) },
  },
};
