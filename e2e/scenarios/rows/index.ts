import type { Scenario } from '../scenario.js';
import { deadline } from './deadline.js';
import { restart } from './restart.js';
import { storm } from './storm.js';

/** The rows of the table, in its order. */
export const SCENARIOS: readonly Scenario[] = [storm, deadline, restart];
