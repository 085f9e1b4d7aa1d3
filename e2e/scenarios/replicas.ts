import type { Behaviour, Pod, PodSpec, Seen } from './pod.js';

/** `count` pods of a kind, named by it and a number; `at` gives the place and the behaviour of each. */
export function replicas(
  app: string,
  count: number,
  at: (index: number) => Behaviour & { readonly zone?: string },
): readonly PodSpec[] {
  return Array.from({ length: count }, (_, index) => {
    const { zone, ...behaviour } = at(index);
    return {
      name: `${app}-${index + 1}`,
      app,
      target: [],
      behaviour,
      ...(zone === undefined ? {} : { zone }),
    };
  });
}

/** What several targets counted since they were last asked, in their order. */
export async function takeAll<const T extends readonly Pod[]>(pods: T): Promise<{ [K in keyof T]: Seen }> {
  return (await Promise.all(pods.map((pod) => pod.take()))) as { [K in keyof T]: Seen };
}

/** Requests that came to them all. */
export function started(seen: readonly Seen[]): number {
  return seen.reduce((sum, one) => sum + one.started, 0);
}
