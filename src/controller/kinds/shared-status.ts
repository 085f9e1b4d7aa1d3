import type { KubeObject } from '../../kube/index.js';
import type { Dirty, Mesh, PolicyRef, ReadonlyTable } from '../../model/index.js';
import type { StatusShape } from './kind.js';

export interface SharedStatus<O extends KubeObject, T> {
  /** Name of the queue, in logs and metrics. */
  readonly queue: string;
  /** Where what was read of the objects is, by their uids. */
  table(mesh: Mesh): ReadonlyTable<T>;
  /** Objects of the kind whose verdict may be another after a change of the mesh. */
  about(mesh: Mesh, dirty: Dirty): Iterable<PolicyRef>;
  /** The lists with our entries as they should be at `now` (ms since 1970); undefined where they are so. */
  status(object: O, value: T, at: { readonly mesh: Mesh; readonly now: number }): object | undefined;
}

/** Changes of the mesh come in crowds: one write for all of that. */
const GATHER_MS = 150;

/** A status that is a list of several controllers' entries, ours among them. */
export function sharedStatus<O extends KubeObject, T extends { readonly ref: PolicyRef }>(
  kind: SharedStatus<O, T>,
): StatusShape<O> {
  return {
    queue: kind.queue,
    gatherMs: GATHER_MS,
    write: 'merge',
    // Objects compete for Services, and refer to them: each whose Service changed.
    sources: ({ collector }) => [
      (due) =>
        collector.onDirty((dirty) =>
          due([...kind.about(collector.mesh, dirty)].map(({ namespace, name }) => `${namespace}/${name}`)),
        ),
    ],
    judge: ({ collector: { mesh }, clock }) => ({
      of: (object) => {
        const { uid, generation } = object.metadata;
        const value = kind.table(mesh).get(uid);
        // Of one that cannot be read nobody knows what it is about.
        if (value?.ref.generation !== generation) return {};
        return { status: kind.status(object, value, { mesh, now: clock.now() }) };
      },
    }),
  };
}
