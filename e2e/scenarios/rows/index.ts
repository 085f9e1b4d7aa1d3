import type { Scenario } from '../scenario.js';
import { deadline } from './deadline.js';
import { failingReplica } from './failing-replica.js';
import { restart } from './restart.js';
import { storm } from './storm.js';

/** The rows of the table, in its order. */
export const SCENARIOS: readonly Scenario[] = [failingReplica, storm, deadline, restart];
