import type { Process } from '../e2e/netns/process.js';
import type { PodName } from './pods.js';

/** What is measured: a pair of proxies, or none. */
export interface Subject {
  readonly name: 'direct' | 'weft' | 'envoy' | 'haproxy';
  /** Address that the load dials. */
  readonly address: string;
  /** Prepares capture and starts both proxies in fresh pods; returns once both could take traffic. */
  start(place: Place): Promise<readonly Process[]>;
}

export interface Place {
  /** A directory of this start alone. */
  readonly directory: string;
}

/** Which half a proxy is. */
export type Half = 'outbound' | 'inbound';

export const POD_OF: Readonly<Record<Half, PodName>> = { outbound: 'client', inbound: 'server' };
export const HALVES: readonly Half[] = ['outbound', 'inbound'];
