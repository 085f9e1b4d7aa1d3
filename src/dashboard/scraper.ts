import { MeshError, names, type Clock } from '../base/index.js';
import type { KubeClient } from '../kube/index.js';
import type { Interval } from './increase.js';
import type { MeshPod } from './pod-list.js';
import { parsePrometheus, type Sample } from './prometheus.js';

/** Rates are means over this long: short enough to see a change, long enough that a percentile has something to count. */
const WINDOW_MS = 10_000;
/** After a longer pause (nobody looked) the old scrapes would make a mean of the whole pause. */
const FORGET_MS = 15_000;
const TIMEOUT_MS = 1_500;
/** Requests to the API server at a time. */
const CONCURRENCY = 16;
/** What a pod may make us remember. Its proxy has far fewer series; a pod that lies has no limit of its own. */
const MAX_SAMPLES = 20_000;
const FAMILY =
  /^weft_(requests_total|request_duration_seconds_bucket|tcp_(connections_total|connections_open|(sent|received)_bytes_total))$/;

interface Scrape {
  /** By the monotonic clock. */
  readonly at: number;
  readonly samples: readonly Sample[];
}

export interface Scraped {
  readonly intervals: readonly Interval[];
  /** Pod uid to why it could not be asked. What it said shortly before still stands in its interval. */
  readonly errors: ReadonlyMap<string, string>;
}

/** Asks proxies for their metrics through the API server, and remembers the last scrapes of each for as long as a window. */
export class Scraper {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  #history = new Map<string, readonly Scrape[]>();

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Scrapes these pods once. Pods that are not among them are forgotten. */
  async scrape(pods: readonly MeshPod[], signal: AbortSignal): Promise<Scraped> {
    const intervals: Interval[] = [];
    const errors = new Map<string, string>();
    const history = new Map<string, readonly Scrape[]>();
    await eachOf(pods, CONCURRENCY, async (pod) => {
      const earlier = this.#history.get(pod.uid) ?? [];
      const scrapes = await this.#ask(pod, signal).then(
        (samples) => [...earlier, { at: this.#clock.monotonic(), samples }],
        (thrown: unknown) => {
          errors.set(pod.uid, reasonOf(thrown));
          return earlier;
        },
      );
      const kept = recent(scrapes, this.#clock.monotonic());
      if (kept.length === 0) return;
      history.set(pod.uid, kept);
      intervals.push(intervalOf(pod, kept));
    });
    this.#history = history;
    return { intervals, errors };
  }

  async #ask({ namespace, view }: MeshPod, signal: AbortSignal): Promise<Sample[]> {
    const pod = `${encodeURIComponent(view.name)}:${names.ProxyPort.metrics}`;
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${pod}/proxy/metrics`;
    const text = await this.#client.request({ path, signal, timeoutMs: TIMEOUT_MS });
    if (typeof text !== 'string') throw new MeshError('internal', 'the answer is no metrics');
    return parsePrometheus(text)
      .filter(({ name }) => FAMILY.test(name))
      .slice(0, MAX_SAMPLES);
  }
}

/** The last scrape, those of the window before it, and one older, from which the window counts. */
function recent(scrapes: readonly Scrape[], now: number): Scrape[] {
  const last = scrapes.at(-1)?.at ?? 0;
  const first = scrapes.findLastIndex(({ at }) => last - at >= WINDOW_MS);
  return scrapes.slice(Math.max(0, first)).filter(({ at }) => now - at < FORGET_MS);
}

function intervalOf({ view }: MeshPod, scrapes: readonly Scrape[]): Interval {
  const [first, last] = [scrapes[0], scrapes.at(-1)];
  const seconds = ((last?.at ?? 0) - (first?.at ?? 0)) / 1000;
  return { identity: view.identity, seconds, before: first?.samples ?? [], after: last?.samples ?? [] };
}

/** The request is the same for all; what failed is at the end of the message. */
function reasonOf(thrown: unknown): string {
  return MeshError.from(thrown).message.replace(/^GET \S+: /, '');
}

async function eachOf<T>(
  items: readonly T[],
  concurrency: number,
  run: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await run(item);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}
