import type { Scenario } from '../scenario.js';
import { deadline } from './deadline.js';
import { failingReplica } from './failing-replica.js';
import { overload } from './overload.js';
import { restart } from './restart.js';
import { slowReplica } from './slow-replica.js';
import { slowResponses } from './slow-responses.js';
import { storm } from './storm.js';
import { twoIdleReplicas } from './two-idle-replicas.js';
import { zoneLoss } from './zone-loss.js';

/** The rows of the table, in its order. */
export const SCENARIOS: readonly Scenario[] = [
  slowReplica,
  twoIdleReplicas,
  failingReplica,
  storm,
  slowResponses,
  overload,
  deadline,
  zoneLoss,
  restart,
];
