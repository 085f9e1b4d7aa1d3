import type { RealApiServer } from '../api-server.js';
import type { Ground } from '../ground.js';
import type { Row } from '../row.js';
import { authorizerRows } from './authorizers.js';
import { bundleRows } from './bundles.js';
import { callerRows } from './callers.js';
import { egressRows } from './egress.js';
import { formRows } from './forms.js';
import { matrixRows } from './matrix.js';
import { modeRows } from './modes.js';
import { rightRows } from './rights.js';
import { serverRows } from './servers.js';
import { startingRows } from './starting.js';
import { tenantRows } from './tenants.js';
import { tokenRows } from './tokens.js';
import { userRows } from './users.js';

/** All rows that can be played, in the order in which they are: those of Kubernetes where its API server is at hand. */
export function rows(ground: Ground, server: RealApiServer | undefined, goServer: string): readonly Row[] {
  return [
    ...callerRows(ground),
    ...matrixRows(ground),
    ...formRows(ground),
    ...serverRows(ground, goServer),
    ...userRows(ground),
    ...modeRows(ground),
    ...startingRows(ground),
    ...rightRows(ground),
    ...authorizerRows(ground),
    ...egressRows(ground),
    ...bundleRows(),
    ...(server === undefined ? [] : [...tokenRows(server), ...tenantRows(server)]),
  ];
}
