import type { EnvoyExtras } from '../envoy.js';
import type { Half } from '../subject.js';
import type { Evidence } from './cell.js';
import type { Goal } from './goals.js';
import type { Stored } from './objects.js';

/** What Weft is given for a feature, by users' own means. */
export interface WeftSide {
  /** Objects beside the pods and Services that are always there. */
  readonly objects?: readonly Stored[];
  /** Environment of the receiver's proxy, as the webhook derives it from annotations of the pod. */
  readonly receiver?: Readonly<Record<string, string>>;
  /** Somebody watches the receiver's requests, and none of them is what they wait for. */
  readonly watched?: boolean;
}

/** The same feature of Envoy, by which halves have it. */
export type EnvoySide = Partial<Record<Half, EnvoyExtras>>;

/** Something of the receiver's proxy that costs, measured beside the same proxy without it. */
export interface Feature {
  /** Of its row. */
  readonly name: string;
  readonly weft: WeftSide;
  readonly envoy: EnvoySide;
  /** What wrk is told, with the feature and without. */
  readonly wrk?: readonly string[];
  /** Whether the requests that were measured went through the feature: what cost nothing because it was off is no figure. */
  readonly shows: (evidence: Evidence) => boolean | Promise<boolean>;
  /** Weft's memory that is looked at beside what every row has. */
  readonly memory?: 'busy' | 'keys';
  readonly goals: readonly Goal[];
}
