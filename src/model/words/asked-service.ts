import type { BackendEntry } from './policy.js';

/** A port of a Service that a policy has pods ask about requests. */
export type ServiceToAsk = NonNullable<BackendEntry['service']> & { readonly port: number };

/** The same as a pod asks it. */
export interface AskedService {
  /** `<namespace>/<name>` of the Service. */
  readonly service: string;
  /** A cluster IP of it. */
  readonly address: string;
  readonly port: number;
}
