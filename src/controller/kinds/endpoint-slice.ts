import { Resources, type EndpointSlice } from '../../kube/index.js';
import type { EndpointSet } from '../../model/index.js';
import { toEndpointSet } from '../collect/index.js';
import type { KindRow } from './kind.js';

export const endpointSlice: KindRow<EndpointSlice, EndpointSet> = {
  resource: Resources.endpointSlice,
  installedBy: 'kubernetes',
  access: { read: 'endpoints of Services' },
  feed: {
    table: ({ endpointSets }) => endpointSets,
    key: 'name',
    written: false,
    read: (object) => ({ value: toEndpointSet(object) }),
  },
};
