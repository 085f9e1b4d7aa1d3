import { join } from 'node:path';
import { makePod } from '../../e2e/netns/network.js';
import { start, until } from '../../e2e/netns/process.js';

/** A pod outside the mesh with whatever proxies ask: it answers external checks and shared limits, and takes spans. */
export const HELPER = {
  name: 'helper',
  address: '10.99.0.4',
  /** Its Service, which Weft's proxies are told; Envoy's dial the pod. */
  service: '10.96.0.6',
  grpc: 8081,
  http: 8080,
} as const;

/** How often it was asked what, since it started. */
export interface Counts {
  readonly checks: number;
  readonly limits: number;
  readonly exports: number;
}

/** Once in a run; it ends with the namespaces. */
export async function startHelper(testapp: string, directory: string): Promise<void> {
  await makePod(HELPER.name, HELPER.address);
  const command = [testapp, 'agree', '-listen', `:${HELPER.grpc}`, '-http', `:${HELPER.http}`];
  start(HELPER.name, command, { name: HELPER.name, log: join(directory, 'helper.log') });
  await until('the helper answers', counts);
}

export async function counts(): Promise<Counts> {
  const answer = await fetch(`http://${HELPER.address}:${HELPER.http}/counts`);
  return (await answer.json()) as Counts;
}
