import type { Kind } from '../../api/index.js';
import { objectKey, storeSource, type CustomObject } from '../../kube/index.js';
import type { Dirty, Mesh, PolicyRef, Problem, ReadonlyTable } from '../../model/index.js';
import { totalAcks } from '../ack-summary.js';
import { standingsOf, type Standings } from '../acks.js';
import { policyConditions, sameConditions, type PolicyFacts } from '../policy-status.js';
import { conditionNotes } from '../condition-notes.js';
import type { StatusFacts, StatusShape } from './kind.js';

export interface AcknowledgedStatus<T> {
  /** Name of the queue, in logs and metrics. */
  readonly queue: string;
  readonly api: Kind;
  /** Where what was read of the objects is, by their uids. */
  table(mesh: Mesh): ReadonlyTable<T>;
  /** Those whose verdict may be another after a change of the mesh. */
  about(mesh: Mesh, dirty: Dirty): Iterable<T>;
  /** What keeps one from acting as written, that only the rest of the mesh shows. */
  judge(mesh: Mesh, value: T): readonly Problem[];
  /** What it does, and its author may not think. */
  notes?(mesh: Mesh, value: T): readonly string[];
  /** Whether any of it acts. */
  isInForce(mesh: Mesh, value: T): boolean;
}

/** Changes of the mesh come in crowds, and proxies answer within milliseconds: one write for all of that. */
const GATHER_MS = 150;

/** Many proxies may come, go and answer meanwhile. */
const WRITE_EVERY_MS = 1_000;

/**
 * From a new generation to the moment by which every replica has told who of its proxies uses it: until then the silence of
 * one says nothing. Each reports once a second, and it takes a while on its way.
 */
const REPORTS_MS = 2_500;

/**
 * Accepted, ResolvedRefs and Programmed: the status of a kind of ours that is compiled into what proxies get, with the
 * uids of its objects among the sources of what is compiled, so that their acknowledgements are counted.
 */
export function acknowledgedStatus<T extends { readonly ref: PolicyRef }>(
  kind: AcknowledgedStatus<T>,
): StatusShape<CustomObject> {
  return {
    queue: kind.queue,
    gatherMs: GATHER_MS,
    everyMs: WRITE_EVERY_MS,
    write: 'apply',
    notes: conditionNotes,
    sources: ({ view, collector, own }) => {
      const { mesh } = collector;
      const keysOf = (values: Iterable<T>): string[] =>
        [...values].map(({ ref }) => `${ref.namespace}/${ref.name}`);
      const named = (uids: Iterable<string>): string[] =>
        keysOf([...uids].flatMap((uid) => kind.table(mesh).get(uid) ?? []));
      return [
        (due) => own.onChange((uids) => due(named(uids))),
        // They compete with each other and refer to others: each that a change is about.
        (due) => collector.onDirty((dirty) => due(keysOf(kind.about(mesh, dirty)))),
        storeSource(view.acks.store, (change) => {
          const now = change.type === 'set' ? change.object.report.policies : {};
          return named(
            new Set([...Object.keys(change.previous?.report.policies ?? {}), ...Object.keys(now)]),
          );
        }),
      ];
    },
    judge: (facts) => {
      const firstLooks = new FirstLooks();
      return {
        of: (object) => {
          const leftMs = facts.peers.reports().length > 0 ? REPORTS_MS - firstLooks.age(object) : 0;
          const standings = afterReports(standingsOf(object.metadata.uid, facts.own, facts.peers), leftMs);
          const known = factsOf(kind, object, { ...facts, standings });
          const conditions = policyConditions(object, known, facts.clock.now());
          return {
            status: sameConditions(conditions, object.conditions) ? undefined : { conditions },
            againAfterMs: standings.againAfterMs,
          };
        },
        forget: (key) => firstLooks.forget(key),
      };
    },
  };
}

/** Nothing is settled before the reports that are on their way have come. */
function afterReports(standings: Standings, leftMs: number): Standings {
  if (leftMs <= 0) return standings;
  const againAfterMs = Math.min(leftMs, standings.againAfterMs ?? leftMs);
  return { ...standings, isSettled: false, againAfterMs };
}

function factsOf<T extends { readonly ref: PolicyRef }>(
  kind: AcknowledgedStatus<T>,
  object: CustomObject,
  { collector, standings }: StatusFacts & { readonly standings: Standings },
): PolicyFacts {
  const { uid, generation } = object.metadata;
  const known = kind.table(collector.mesh).get(uid);
  const current = known?.ref.generation === generation ? known : undefined;
  const judged = current === undefined ? [] : kind.judge(collector.mesh, current);
  return {
    api: kind.api,
    problems: [...collector.problemsOf(uid), ...judged],
    notes: current === undefined ? [] : (kind.notes?.(collector.mesh, current) ?? []),
    inForce: current !== undefined && kind.isInForce(collector.mesh, current),
    acks: totalAcks(standings.replicas, generation),
    isSettled: standings.isSettled,
  };
}

/** When each object was looked at for the first time in its present generation. */
class FirstLooks {
  readonly #looks = new Map<string, { readonly generation: number; readonly at: number }>();

  /** In milliseconds; one that had its status written before, maybe by another leader, is old. */
  age({ metadata, conditions }: CustomObject): number {
    const { generation } = metadata;
    const key = objectKey({ metadata });
    const known = this.#looks.get(key);
    if (known?.generation === generation) return performance.now() - known.at;
    const judged = conditions.some(
      ({ type, observedGeneration }) => type === 'Programmed' && observedGeneration === generation,
    );
    const at = judged ? Number.NEGATIVE_INFINITY : performance.now();
    this.#looks.set(key, { generation, at });
    return performance.now() - at;
  }

  forget(key: string): void {
    this.#looks.delete(key);
  }
}
