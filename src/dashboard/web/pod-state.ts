import type { PodView } from '../mesh-view.js';
import type { Tone } from './chip.js';

export interface PodState {
  readonly tone: Tone;
  readonly text: string;
}

/** How a pod is, in a word. One that is about to leave is not a problem. */
export function stateOf({ ready, phase }: PodView): PodState {
  if (phase === 'Terminating') return { tone: 'quiet', text: 'terminating' };
  if (phase !== 'Running') return { tone: 'warn', text: phase.toLowerCase() };
  return ready ? { tone: 'good', text: 'ready' } : { tone: 'warn', text: 'not ready' };
}

/** Whether somebody should look at the pod. */
export function isTroubled(pod: PodView): boolean {
  return severityOf(pod) < 2;
}

/** 0 is worst. */
export function severityOf(pod: PodView): number {
  if (pod.lacksProxy) return 0;
  return { bad: 0, warn: 1, good: 2, quiet: 3 }[stateOf(pod).tone];
}
