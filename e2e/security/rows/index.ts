import type { RealApiServer } from '../api-server.js';
import type { Ground } from '../ground.js';
import type { Row } from '../row.js';
import { authorizerRows } from './authorizers.js';
import { bundleRows } from './bundles.js';
import { callerRows } from './callers.js';
import { egressRows } from './egress.js';
import { formRows } from './forms.js';
import { matrixRows } from './matrix.js';
import { tenantRows } from './tenants.js';
import { tokenRows } from './tokens.js';
import { userRows } from './users.js';

/** All rows that can be played, in the order in which they are: those of Kubernetes where its API server is at hand. */
export function rows(ground: Ground, server: RealApiServer | undefined): readonly Row[] {
  return [
    ...callerRows(ground),
    ...matrixRows(ground),
    ...formRows(ground),
    ...userRows(ground),
    ...authorizerRows(ground),
    ...egressRows(ground),
    ...bundleRows(),
    ...(server === undefined ? [] : [...tokenRows(server), ...tenantRows(server)]),
  ];
}
