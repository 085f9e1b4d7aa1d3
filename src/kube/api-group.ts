/** The group of an `apiVersion`; the empty one is Kubernetes' own. */
export function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
}
