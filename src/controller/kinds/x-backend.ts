import { Resources, type BackendPolicyObject } from '../../kube/index.js';
import { judgeXBackend, xBackendsAbout, type XBackend } from '../../model/index.js';
import { readXBackend } from '../collect/index.js';
import { ancestorStatus } from './ancestor-status.js';
import type { KindRow } from './kind.js';
import { EXPERIMENTAL, OUR_ENTRIES } from './reasons.js';

export const xBackend: KindRow<BackendPolicyObject, XBackend> = {
  resource: Resources.xBackend,
  installedBy: 'others',
  access: { read: EXPERIMENTAL, status: OUR_ENTRIES },
  feed: {
    table: ({ xBackends }) => xBackends,
    key: 'uid',
    written: true,
    read: (object) => ({ value: readXBackend(object) }),
  },
  status: ancestorStatus({
    queue: 'x-backend-status',
    table: ({ xBackends }) => xBackends,
    about: xBackendsAbout,
    judge: judgeXBackend,
  }),
};
