import type { Clock } from '../base/index.js';
import { reasonOf, type KubeClient } from '../kube/index.js';
import type { Interval } from './increase.js';
import type { MeshPod } from './pod-list.js';
import { eachPod, readPodMetrics } from './pod-metrics.js';
import type { Sample } from './prometheus.js';

/** Rates are means over this long: short enough to see a change, long enough that a percentile has something to count. */
const WINDOW_MS = 10_000;
/** After a longer pause (nobody looked) the old scrapes would make a mean of the whole pause. */
const FORGET_MS = 15_000;
const FAMILY = /^weft_(requests_total|request_duration_seconds_bucket|certificate_expiry_timestamp_seconds)$/;

interface Scrape {
  /** By the monotonic clock. */
  readonly at: number;
  readonly samples: readonly Sample[];
}

export interface Scraped {
  /** By the pod's uid. */
  readonly intervals: ReadonlyMap<string, Interval>;
  /** Pod uid to why it could not be asked. What it said shortly before still stands in its interval. */
  readonly errors: ReadonlyMap<string, string>;
}

/**
 * Asks proxies of a few pods for their metrics through the API server, and remembers the last scrapes of each for as long as a
 * window: what proxies report to the control plane is of their workload as a whole.
 */
export class Scraper {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #history = new Map<string, readonly Scrape[]>();

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Scrapes these pods once. What nobody asked for in a while is forgotten. */
  async scrape(pods: readonly MeshPod[], signal: AbortSignal): Promise<Scraped> {
    const intervals = new Map<string, Interval>();
    const errors = new Map<string, string>();
    const now = this.#clock.monotonic();
    for (const [uid, scrapes] of this.#history)
      if (recent(scrapes, now).length === 0) this.#history.delete(uid);
    await eachPod(pods, async (pod) => {
      const earlier = this.#history.get(pod.uid) ?? [];
      const { namespace, view } = pod;
      const asked = readPodMetrics(this.#client, { namespace, name: view.name }, { family: FAMILY, signal });
      const scrapes = await asked.then(
        (samples) => [...earlier, { at: this.#clock.monotonic(), samples }],
        (thrown: unknown) => {
          errors.set(pod.uid, reasonOf(thrown));
          return earlier;
        },
      );
      const kept = recent(scrapes, this.#clock.monotonic());
      if (kept.length === 0) return;
      this.#history.set(pod.uid, kept);
      intervals.set(pod.uid, intervalOf(kept));
    });
    return { intervals, errors };
  }
}

/** The last scrape, those of the window before it, and one older, from which the window counts. */
function recent(scrapes: readonly Scrape[], now: number): Scrape[] {
  const last = scrapes.at(-1)?.at ?? 0;
  const first = scrapes.findLastIndex(({ at }) => last - at >= WINDOW_MS);
  return scrapes.slice(Math.max(0, first)).filter(({ at }) => now - at < FORGET_MS);
}

function intervalOf(scrapes: readonly Scrape[]): Interval {
  const [first, last] = [scrapes[0], scrapes.at(-1)];
  const seconds = ((last?.at ?? 0) - (first?.at ?? 0)) / 1000;
  return { seconds, before: first?.samples ?? [], after: last?.samples ?? [] };
}
