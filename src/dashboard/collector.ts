import { MeshError, names, systemClock, type Clock } from '../base/index.js';
import { listObjects, Resources, type KubeClient, type Namespace } from '../kube/index.js';
import {
  Replicas,
  byNamespace,
  byService,
  byWorkload,
  type Authorities,
  type Traffic,
} from '../telemetry/index.js';
import { ChangeLog } from './change-log.js';
import type { ChangesView } from './changes-view.js';
import { edgesOf } from './edges.js';
import type { AccessView } from './access-view.js';
import type { FindingsView } from './findings-view.js';
import type { HistoryView } from './history-view.js';
import { historyOf } from './history.js';
import type { Knowledge } from './knowledge.js';
import type { MeshView, NamespaceView, PolicyView, Problem } from './mesh-view.js';
import { listPods, type MeshPod } from './pod-list.js';
import { podSignals, type PodSignals } from './pod-signals.js';
import { listPolicies } from './policy-list.js';
import { Scraper } from './scraper.js';
import { Shared } from './shared.js';
import { splitsOf } from './splits.js';
import { withWanted } from './wanted.js';

/** Several open pages share one look at the cluster. */
const FRESH_MS = 1_000;
/** Minutes do not change sooner. */
const HISTORY_FRESH_MS = 15_000;
/** All objects of the cluster are read for them. */
const FINDINGS_FRESH_MS = 30_000;
const ACCESS_FRESH_MS = 5_000;
const CHANGES_FRESH_MS = 5_000;
const AUTHORITY_FRESH_MS = 30_000;
/** Rates are means over this long. */
const WINDOW = '10s';
/** Pods of one workload that are asked for what each of them counted. */
const MOST_PODS = 50;

export interface CollectorOptions {
  readonly client: KubeClient;
  readonly knowledge: Knowledge;
  /** Where the control plane runs. */
  readonly systemNamespace?: string;
  readonly clock?: Clock;
}

export interface WorkloadName {
  readonly namespace: string;
  /** `<kind>/<name>`. */
  readonly workload: string;
}

/**
 * Looks at the cluster when somebody asks, and not otherwise: what is read in one look becomes one view. What happened is asked of the
 * replicas of the control plane, which remember half an hour; pods are asked one workload at a time.
 */
export class Collector {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #systemNamespace: string;
  readonly #replicas: Replicas;
  readonly #scraper: Scraper;
  readonly #view: Shared<MeshView>;
  readonly #history: Shared<HistoryView>;
  readonly #findings: Shared<FindingsView>;
  readonly #changes: Shared<ChangesView>;
  readonly #authority: Shared<Authorities>;
  readonly #knowledge: Knowledge;
  readonly #access = new Map<string, Shared<AccessView>>();
  #pods: readonly MeshPod[] = [];

  constructor({
    client,
    knowledge,
    systemNamespace = names.SYSTEM_NAMESPACE,
    clock = systemClock,
  }: CollectorOptions) {
    this.#knowledge = knowledge;
    const log = new ChangeLog(client, clock);
    this.#changes = new Shared(clock, CHANGES_FRESH_MS, () => log.look());
    this.#findings = new Shared(clock, FINDINGS_FRESH_MS, async () => knowledge.findings());
    this.#client = client;
    this.#clock = clock;
    this.#systemNamespace = systemNamespace;
    this.#replicas = new Replicas(client, systemNamespace);
    this.#scraper = new Scraper(client, clock);
    this.#authority = new Shared(clock, AUTHORITY_FRESH_MS, async () => this.#replicas.authority());
    this.#view = new Shared(clock, FRESH_MS, (signal) => this.#look(signal));
    this.#history = new Shared(clock, HISTORY_FRESH_MS, async () =>
      historyOf(await this.#replicas.minutes(), clock.now()),
    );
  }

  /** The mesh as it is now, or was a second ago. One look at a time, however many ask. */
  view(signal: AbortSignal): Promise<MeshView> {
    return this.#view.get(signal);
  }

  /** The last half hour by the minute. */
  history(signal: AbortSignal): Promise<HistoryView> {
    return this.#history.get(signal);
  }

  /** Who changed what in the last half hour. */
  changes(signal: AbortSignal): Promise<ChangesView> {
    return this.#changes.get(signal);
  }

  /** Root and issuer of the mesh. */
  authority(signal: AbortSignal): Promise<Authorities> {
    return this.#authority.get(signal);
  }

  /** What is wrong with objects of the cluster. */
  findings(signal: AbortSignal): Promise<FindingsView> {
    return this.#findings.get(signal);
  }

  /** Who may call the Services of a namespace: the accounts of its own pods, who called lately, and whom rules name. */
  async access(namespace: string, signal: AbortSignal): Promise<AccessView> {
    const { namespaces } = await this.view(signal);
    if (!namespaces.some(({ name }) => name === namespace))
      throw new MeshError('not-found', `namespace ${namespace} is not in the mesh`);
    const known =
      this.#access.get(namespace) ??
      new Shared(this.#clock, ACCESS_FRESH_MS, async (until) =>
        this.#knowledge.access(namespace, await this.#callers(namespace, until)),
      );
    this.#access.set(namespace, known);
    return known.get(signal);
  }

  async #callers(namespace: string, signal: AbortSignal): Promise<readonly string[]> {
    const { edges } = await this.view(signal);
    const history = await this.history(signal).catch(() => undefined);
    const called = edges.filter(({ service }) => service.startsWith(`${namespace}/`));
    const earlier = Object.keys(history?.calls ?? {}).map((key) => key.split(' '));
    return [
      ...new Set([
        ...this.#pods.filter((pod) => pod.namespace === namespace).map(({ view }) => view.identity),
        ...called.map(({ caller }) => caller),
        ...earlier.flatMap(([caller = '', callee = '']) =>
          callee.startsWith(`${namespace}/`) ? [caller] : [],
        ),
      ]),
    ].filter((identity) => identity !== '');
  }

  /** What each pod of a workload let in, by the word of its proxy. */
  async pods(of: WorkloadName, signal: AbortSignal): Promise<readonly PodSignals[]> {
    if (this.#pods.length === 0) await this.view(signal);
    const pods = this.#pods
      .filter(
        ({ namespace, view, scrapable }) =>
          scrapable && namespace === of.namespace && view.workload === of.workload,
      )
      .slice(0, MOST_PODS);
    const { intervals, errors } = await this.#scraper.scrape(pods, signal);
    return pods.map(({ uid, view: { name } }) => ({
      ...podSignals(name, intervals.get(uid) ?? { seconds: 0, before: [], after: [] }),
      error: errors.get(uid) ?? '',
    }));
  }

  async #look(signal: AbortSignal): Promise<MeshView> {
    const problems: Problem[] = [];
    const labelled = await this.#namespaces(problems);
    const [pods, policies, traffic] = await Promise.all([
      this.#listPods(labelled, problems, signal),
      this.#policies(problems),
      this.#traffic(problems),
    ]);
    this.#pods = pods;
    const controlPlane = pods.filter((pod) => pod.controlPlane && !pod.ended);
    const edges = traffic?.edges ?? [];
    return {
      takenAt: new Date(this.#clock.now()).toISOString(),
      cluster: this.#client.server,
      windowSeconds: Math.max(0, ...edges.map(({ seconds }) => seconds), traffic === undefined ? 0 : 10),
      reporting: traffic?.proxies ?? 0,
      controlPlane: {
        ready: controlPlane.filter(({ view }) => view.ready).length,
        pods: controlPlane.length,
      },
      namespaces: namespacesOf(labelled, pods),
      policies,
      edges: edgesOf(edges),
      splits: withWanted(splitsOf(edges), policies),
      workloads: byWorkload(edges),
      services: byService(edges),
      namespaceSignals: byNamespace(edges),
      problems,
    };
  }

  /** Who may not list namespaces sees what carries a label of the mesh. */
  async #namespaces(problems: Problem[]): Promise<readonly Namespace[]> {
    try {
      return await listObjects(this.#client, Resources.namespace, {
        labelSelector: `${names.Label.inject}=enabled`,
      });
    } catch (thrown) {
      if (MeshError.from(thrown).code !== 'permission-denied') throw thrown;
      problems.push(problem('Namespaces', thrown));
      return [];
    }
  }

  async #traffic(problems: Problem[]): Promise<Traffic | undefined> {
    try {
      const traffic = await this.#replicas.ask(WINDOW, undefined);
      problems.push(...traffic.notes.map((message) => ({ about: 'Traffic', message })));
      return traffic;
    } catch (thrown) {
      problems.push(problem('Traffic', thrown));
      return undefined;
    }
  }

  /** All pods of labelled namespaces, and those anywhere that belong to a revision; each once. */
  async #listPods(
    labelled: readonly Namespace[],
    problems: Problem[],
    signal: AbortSignal,
  ): Promise<MeshPod[]> {
    const places = [
      { labelSelector: names.Label.rev },
      ...labelled.map(({ metadata }) => ({ namespace: metadata.name })),
    ];
    const lists = await Promise.all(
      places.map((at) =>
        listPods(this.#client, { ...at, systemNamespace: this.#systemNamespace }, signal).catch(
          (thrown: unknown) => {
            problems.push(problem('Pods', thrown));
            return [];
          },
        ),
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

function namespacesOf(labelled: readonly Namespace[], pods: readonly MeshPod[]): NamespaceView[] {
  const meshed = pods.filter(({ controlPlane }) => !controlPlane);
  const asked = new Set(labelled.map(({ metadata }) => metadata.name));
  const running = Map.groupBy(
    meshed.filter(({ ended }) => !ended),
    ({ namespace }) => namespace,
  );
  const ended = Map.groupBy(
    meshed.filter((pod) => pod.ended),
    ({ namespace }) => namespace,
  );
  return [...new Set([...asked, ...running.keys()])].sort().map((name) => ({
    name,
    labelled: asked.has(name),
    ended: ended.get(name)?.length ?? 0,
    pods: (running.get(name) ?? []).map(({ view }) => view).sort((a, b) => (a.name < b.name ? -1 : 1)),
  }));
}
