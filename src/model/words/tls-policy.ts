import type { PolicyRef } from './policy.js';
import type { MtlsMode } from './settings.js';
import type { Workload } from './workload.js';

/** What an object says about mutual TLS with pods of its namespace. */
export interface TlsPolicy {
  readonly ref: PolicyRef;
  /** Labels, all of which the pods have; absent: every pod of the namespace. */
  readonly selector?: Readonly<Record<string, string>>;
  /** Absent: only the ports are decided. */
  readonly mode?: MtlsMode;
  /** Ports of the pods at which another mode holds. */
  readonly ports: readonly PortMode[];
}

export interface PortMode {
  readonly port: number;
  readonly mode: MtlsMode;
}

/** Whether a policy names pods and this is one of them; what is said about a whole namespace selects none. */
export function selectsPod({ selector }: TlsPolicy, { labels }: Workload): boolean {
  return selector !== undefined && Object.entries(selector).every(([name, value]) => labels[name] === value);
}
