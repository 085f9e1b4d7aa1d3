import type { LogLevel } from '../../base/index.js';
import type { InjectionSettings, Namespace } from '../inject/index.js';
import type { ServingCertificate } from '../server.js';
import type { Counts } from './tally.js';

/** What the thread knows when it starts; messages keep it true from then on. */
export interface ThreadStart {
  /** 0 takes any free port. */
  readonly port: number;
  readonly host: string;
  readonly logLevel: LogLevel;
  readonly certificate: ServingCertificate;
  readonly settings: InjectionSettings;
  readonly namespaces: readonly (readonly [name: string, Namespace])[];
}

/** What the thread is told. */
export type ToThread =
  | { readonly kind: 'certificate'; readonly certificate: ServingCertificate }
  | { readonly kind: 'settings'; readonly settings: InjectionSettings }
  /** Undefined: it was deleted. */
  | { readonly kind: 'namespace'; readonly name: string; readonly namespace: Namespace | undefined }
  | { readonly kind: 'stop' };

/** What the thread tells. */
export type FromThread =
  | { readonly kind: 'listening'; readonly port: number }
  /** Once in `BEAT_MS`: it is alive, and this is what it has counted since. */
  | { readonly kind: 'beat'; readonly counts: Counts };

export const BEAT_MS = 1_000;
