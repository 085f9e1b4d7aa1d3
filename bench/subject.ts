import { type Process, inPod } from '../e2e/netns/process.js';
import type { PodName } from './pods.js';

/** What is measured: a pair of proxies, or none. */
export interface Subject {
  readonly name: 'direct' | 'weft' | 'envoy' | 'haproxy';
  /** Address that the load dials. */
  readonly address: string;
  /** Prepares capture and starts both proxies in fresh pods; returns once both could take traffic. */
  start(place: Place): Promise<Started>;
}

export interface Started {
  readonly proxies: readonly Process[];
  /** From the start of a proxy's process until it takes traffic; of the slower one. */
  readonly millisToReady: number;
  /** The part of it after the proxy had its certificate, where it gets one from an authority. */
  readonly millisFromCertificate?: number;
}

/** A subject with what is measured of it beside the usual. */
export interface Entrant {
  readonly usual: Subject | 'direct';
  /** One proxy only, that of the caller, and plain text behind it. */
  readonly plain?: Subject;
  /** The same with features switched on, by the name of their row. */
  readonly variants: ReadonlyMap<string, Subject>;
}

export interface Place {
  /** A directory of this start alone. */
  readonly directory: string;
}

/** Waits until `ready`, a command in the pod, succeeds; gives the milliseconds it took. */
export async function millisUntil(pod: PodName, ready: string): Promise<number> {
  const began = performance.now();
  // One loop inside the pod: asking from outside would take as long as some proxies take to start.
  await inPod(pod, 'timeout', '60', 'bash', '-c', `until (${ready}) 2>/dev/null; do sleep 0.005; done`);
  return performance.now() - began;
}

/** Which half a proxy is. */
export type Half = 'outbound' | 'inbound';

export const POD_OF: Readonly<Record<Half, PodName>> = { outbound: 'client', inbound: 'server' };
export const HALVES: readonly Half[] = ['outbound', 'inbound'];
