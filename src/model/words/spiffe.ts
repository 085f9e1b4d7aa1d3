import type { Workload } from './workload.js';

/** The identity a workload proves: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`. */
export function spiffeId(trustDomain: string, workload: Workload): string {
  return `spiffe://${trustDomain}/ns/${workload.key.namespace}/sa/${workload.serviceAccount}`;
}
