import { MeshError, names, systemClock, type Clock } from '../base/index.js';
import { listObjects, Resources, type KubeClient, type Namespace } from '../kube/index.js';
import { edgesOf } from './edges.js';
import type { MeshView, NamespaceView, PolicyView, Problem } from './mesh-view.js';
import { listPods, type MeshPod } from './pod-list.js';
import { listPolicies } from './policy-list.js';
import { Scraper } from './scraper.js';
import { splitsOf } from './splits.js';

/** Several open pages share one look at the cluster. */
const FRESH_MS = 1_000;

/**
 * Looks at the cluster when somebody asks, and not otherwise: what is read in one look becomes one view. Remembers
 * scrapes, because a rate needs two.
 */
export class Collector {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #scraper: Scraper;
  #last: { readonly at: number; readonly view: Promise<MeshView> } | undefined;

  constructor(client: KubeClient, clock: Clock = systemClock) {
    this.#client = client;
    this.#clock = clock;
    this.#scraper = new Scraper(client, clock);
  }

  /** The mesh as it is now, or was a second ago. One look at a time, however many ask. */
  view(signal: AbortSignal): Promise<MeshView> {
    const now = this.#clock.monotonic();
    if (this.#last !== undefined && now - this.#last.at < FRESH_MS) return this.#last.view;
    const view = this.#look(signal);
    const current = { at: Infinity, view };
    this.#last = current;
    view.then(
      () => (current.at = this.#clock.monotonic()),
      () => (this.#last = undefined),
    );
    return view;
  }

  async #look(signal: AbortSignal): Promise<MeshView> {
    const problems: Problem[] = [];
    const labelled = await listObjects(this.#client, Resources.namespace, {
      labelSelector: `${names.Label.inject}=enabled`,
    });
    const [pods, policies] = await Promise.all([
      this.#pods(labelled, problems, signal),
      this.#policies(problems),
    ]);
    const { intervals, errors } = await this.#scraper.scrape(
      pods.filter(({ scrapable }) => scrapable),
      signal,
    );
    const controlPlane = pods.filter((pod) => pod.controlPlane && !pod.ended);
    return {
      takenAt: new Date(this.#clock.now()).toISOString(),
      cluster: this.#client.server,
      windowSeconds: Math.max(0, ...intervals.map(({ seconds }) => seconds)),
      controlPlane: {
        ready: controlPlane.filter(({ view }) => view.ready).length,
        pods: controlPlane.length,
      },
      namespaces: namespacesOf(labelled, pods, errors),
      policies,
      edges: edgesOf(intervals),
      splits: splitsOf(intervals),
      problems,
    };
  }

  /** All pods of labelled namespaces, and those anywhere that belong to a revision; each once. */
  async #pods(labelled: readonly Namespace[], problems: Problem[], signal: AbortSignal): Promise<MeshPod[]> {
    const places = [
      { labelSelector: names.Label.rev },
      ...labelled.map(({ metadata }) => ({ namespace: metadata.name })),
    ];
    const lists = await Promise.all(
      places.map((at) =>
        listPods(this.#client, at, signal).catch((thrown: unknown) => {
          problems.push(problem('pods', thrown));
          return [];
        }),
      ),
    );
    return [...new Map(lists.flat().map((pod) => [pod.uid, pod])).values()];
  }

  async #policies(problems: Problem[]): Promise<readonly PolicyView[]> {
    try {
      return await listPolicies(this.#client);
    } catch (thrown) {
      problems.push(problem('TrafficPolicies', thrown));
      return [];
    }
  }
}

function problem(about: string, thrown: unknown): Problem {
  return { about, message: MeshError.from(thrown).message };
}

function namespacesOf(
  labelled: readonly Namespace[],
  pods: readonly MeshPod[],
  errors: ReadonlyMap<string, string>,
): NamespaceView[] {
  const meshed = pods.filter(({ controlPlane }) => !controlPlane);
  const asked = new Set(labelled.map(({ metadata }) => metadata.name));
  const running = meshed.filter(({ ended }) => !ended);
  return [...new Set([...asked, ...running.map(({ namespace }) => namespace)])].sort().map((name) => ({
    name,
    labelled: asked.has(name),
    ended: meshed.filter(({ namespace, ended }) => ended && namespace === name).length,
    pods: running
      .filter(({ namespace }) => namespace === name)
      .map(({ uid, view }) => ({ ...view, scrapeError: errors.get(uid) ?? '' }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  }));
}
