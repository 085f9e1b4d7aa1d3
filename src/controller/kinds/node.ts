import { Resources, type Node } from '../../kube/index.js';
import type { KindRow } from './kind.js';
import { MADE_OF } from './reasons.js';

/** In no table: a workload carries the zone of its node. */
export const node: KindRow<Node> = {
  resource: Resources.node,
  installedBy: 'kubernetes',
  access: { read: MADE_OF },
};
