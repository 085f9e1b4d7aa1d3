import type { Kind } from '../schema/kind.js';
import { meshConfig } from './mesh-config.js';
import { trafficPolicy } from './traffic-policy.js';

/** Every kind a user can type. */
export const KINDS: readonly Kind[] = [trafficPolicy, meshConfig];
