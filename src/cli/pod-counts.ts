import { eachPod, readPodMetrics } from '../dashboard/index.js';
import { reasonOf, type KubeClient, type Pod } from '../kube/index.js';
import { plural, type Page } from './page.js';

/** Whose word what was counted is. */
export interface Asked {
  /** Proxies that have answered. */
  readonly asked: number;
  /** Why others have not, by pod. */
  readonly silent: readonly { readonly pod: string; readonly reason: string }[];
  /** Pods that were not asked, because there are too many. */
  readonly leftOut: number;
}

type Samples = Awaited<ReturnType<typeof readPodMetrics>>;

/** Asks the proxies of pods that are ready, so many at most, what they have counted of a family. */
export async function askPods(
  client: KubeClient,
  pods: readonly Pod[],
  { family, most }: { readonly family: RegExp; readonly most: number },
  count: (pod: Pod, samples: Samples) => void,
): Promise<Asked> {
  const ready = pods.filter((pod) => pod.ready);
  const asked = ready.slice(0, most);
  const silent: { pod: string; reason: string }[] = [];
  await eachPod(asked, async (pod) => {
    const { metadata } = pod;
    const samples = await readPodMetrics(client, metadata, { family }).catch((thrown: unknown) => {
      silent.push({ pod: `${metadata.namespace}/${metadata.name}`, reason: reasonOf(thrown) });
      return [];
    });
    count(pod, samples);
  });
  return { asked: asked.length - silent.length, silent, leftOut: ready.length - asked.length };
}

/** That some did not answer, for people; no line where all did. */
export function silentText(silent: Asked['silent'], page: Page): readonly string[] {
  const [first] = silent;
  if (first === undefined) return [];
  const many = plural(silent.length, 'proxy', 'proxies');
  return [page.caution(`${many} did not answer, such as that of ${first.pod}: ${first.reason}`)];
}
