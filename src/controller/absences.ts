import type { Gauge, Metrics } from '../base/index.js';
import { objectKey, type Pod } from '../kube/index.js';
import type { ClusterView } from './cluster-view.js';
import { absenceOf, type Absence } from './injection-events.js';

export interface CountAbsencesOptions {
  readonly view: Pick<ClusterView, 'pods' | 'namespaces'>;
  readonly revision: string;
  readonly systemNamespace: string;
}

/**
 * Gauge that every replica answers alike: how many pods should have a proxy and have none. Counted where pods and
 * namespaces change, because a scrape that walks all pods would be work that strangers can ask for.
 */
export function countAbsences(metrics: Metrics, options: CountAbsencesOptions): Absences {
  const gauge = metrics.gauge(
    'weft_pods_without_proxy',
    'Pods selected for the mesh that run without a proxy.',
    ['kind'],
  );
  const count = new AbsenceCount(gauge);
  const { pods, namespaces } = options.view;
  const judge = (pod: Pod): void => count.set(objectKey(pod), absenceOf(pod, options)?.kind);
  pods.store.onChange((change) => {
    if (change.type === 'set') judge(change.object);
    else count.set(change.key, undefined);
  });
  namespaces.store.onChange(({ key }) => {
    for (const pod of pods.store.inNamespace(key)) judge(pod);
  });
  return count;
}

/** Pods that should have a proxy and have none. */
export interface Absences {
  /** Keys of those of a kind. */
  of(kind: Absence['kind']): Iterable<string>;
}

class AbsenceCount implements Absences {
  readonly #gauge: Gauge<'kind'>;
  readonly #kinds = new Map<string, Absence['kind']>();

  constructor(gauge: Gauge<'kind'>) {
    this.#gauge = gauge;
    for (const kind of ['skipped', 'missing', 'forged'] as const) gauge.set({ kind }, 0);
  }

  *of(wanted: Absence['kind']): Iterable<string> {
    for (const [pod, kind] of this.#kinds) if (kind === wanted) yield pod;
  }

  set(pod: string, kind: Absence['kind'] | undefined): void {
    const before = this.#kinds.get(pod);
    if (before === kind) return;
    if (before !== undefined) this.#gauge.dec({ kind: before });
    if (kind === undefined) this.#kinds.delete(pod);
    else {
      this.#kinds.set(pod, kind);
      this.#gauge.inc({ kind });
    }
  }
}
