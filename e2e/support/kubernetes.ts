import { kubectl } from './run.js';

interface Version {
  readonly serverVersion: { readonly minor: string };
}

/** The minor version of the cluster's API server: what is not there yet before one cannot be tested. */
export async function kubernetesMinor(): Promise<number> {
  const { serverVersion } = JSON.parse(await kubectl('version', '-o', 'json')) as Version;
  return Number.parseInt(serverVersion.minor, 10);
}
