import { MeshError, names } from '../base/index.js';
import type { KubeClient } from '../kube/index.js';
import { parsePrometheus, type Sample } from './prometheus.js';

const TIMEOUT_MS = 1_500;
/** What a pod may make us hold. Its proxy has far fewer series; a pod that lies has no limit of its own. */
const MAX_SAMPLES = 20_000;
/** Requests to the API server at a time. */
const CONCURRENCY = 16;

export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** What the proxy of a pod counts, of the families that `family` matches: asked for through the API server. */
export async function readPodMetrics(
  client: KubeClient,
  { namespace, name }: PodName,
  { family, signal }: { readonly family: RegExp; readonly signal?: AbortSignal },
): Promise<Sample[]> {
  const text = await podMetricsText(client, { namespace, name }, { timeoutMs: TIMEOUT_MS, signal });
  return parsePrometheus(text)
    .filter((sample) => family.test(sample.name))
    .slice(0, MAX_SAMPLES);
}

/** All that the proxy of a pod counts, as Prometheus reads it. */
export async function podMetricsText(
  client: KubeClient,
  { namespace, name }: PodName,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<string> {
  const pod = `${encodeURIComponent(name)}:${names.ProxyPort.metrics}`;
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${pod}/proxy/metrics`;
  const options = { path, timeoutMs, ...(signal === undefined ? {} : { signal }) };
  const text = await client.request(options);
  if (typeof text !== 'string')
    throw new MeshError('internal', `the proxy of ${namespace}/${name} did not answer with metrics`);
  return text;
}

/** Runs something for each, not for all at once. */
export async function eachPod<T>(pods: readonly T[], run: (pod: T) => Promise<void>): Promise<void> {
  const queue = pods.values();
  const worker = async (): Promise<void> => {
    for (const pod of queue) await run(pod);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}
