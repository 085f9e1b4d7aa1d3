import { Resources, type Namespace } from '../../kube/index.js';
import type { Namespace as NamespaceSettings } from '../../model/index.js';
import { toNamespace } from '../collect/index.js';
import type { KindRow } from './kind.js';
import { MADE_OF } from './reasons.js';

export const namespace: KindRow<Namespace, NamespaceSettings> = {
  resource: Resources.namespace,
  installedBy: 'kubernetes',
  access: { read: MADE_OF },
  feed: {
    table: ({ namespaces }) => namespaces,
    // `objectKey` of a cluster-wide object is its name.
    key: 'name',
    written: false,
    read: (object) => ({ value: toNamespace(object) }),
  },
};
