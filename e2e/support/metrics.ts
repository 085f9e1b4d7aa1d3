import { get, kubectl } from './run.js';

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface PodList {
  readonly items: { readonly metadata: { readonly name: string; readonly deletionTimestamp?: string } }[];
}

/** Names of the pods a selector finds, without those that are ending. */
export async function podsOf(namespace: string, selector: string): Promise<string[]> {
  const list = await get<PodList>('pods', '-n', namespace, '-l', selector);
  return list.items
    .filter((pod) => pod.metadata.deletionTimestamp === undefined)
    .map((pod) => pod.metadata.name);
}

/** Prometheus samples of a pod's proxy, read through the API server. */
export async function proxyMetrics(namespace: string, pod: string): Promise<Sample[]> {
  return parse(
    await kubectl('get', '--raw', `/api/v1/namespaces/${namespace}/pods/${pod}:15121/proxy/metrics`),
  );
}

/** Sum of the samples with this name whose labels hold all of `labels`. */
export function sum(samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number {
  return samples
    .filter((s) => s.name === name && Object.entries(labels).every(([key, value]) => s.labels[key] === value))
    .reduce((total, s) => total + s.value, 0);
}

/** Prometheus text format, as far as the proxy writes it. */
export function parse(text: string): Sample[] {
  const out: Sample[] = [];
  for (const line of text.split('\n')) {
    const match = /^([a-z_:]\w*)(?:\{(.*)\})? (\S+)$/i.exec(line);
    if (match === null) continue;
    const labels: Record<string, string> = {};
    for (const pair of (match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[pair[1] ?? ''] = (pair[2] ?? '').replaceAll('\\"', '"');
    }
    out.push({ name: match[1] ?? '', labels, value: Number(match[3]) });
  }
  return out;
}
