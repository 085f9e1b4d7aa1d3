/** Values of a pod's `dnsPolicy` with which it does not ask the cluster's own name servers. */
const OUTSIDE: ReadonlySet<string> = new Set(['None', 'Default']);

/** Whether a pod may not know the names of Services, that of the control plane among them. */
export function asksOutside(dnsPolicy: string): boolean {
  return OUTSIDE.has(dnsPolicy);
}
