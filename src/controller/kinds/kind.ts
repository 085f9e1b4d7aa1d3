import type { Kind } from '../../api/index.js';
import type { Clock } from '../../base/index.js';
import type { EventNote, InformerOptions, KubeObject, Resource, Source } from '../../kube/index.js';
import type { Dirty, MeshSettings, MeshTables, Problem } from '../../model/index.js';
import type { OwnAcks } from '../acks.js';
import type { Peers } from '../peers.js';
import type { ClusterView } from '../cluster-view.js';
import type { Collector } from '../collector.js';

/**
 * All that is particular about a kind of object that the control plane follows, in one place. Caches, tables, statuses,
 * events, `weft check`, `weft status`, `weft analyze` and the rights of the chart are made by going through the rows.
 */
export interface KindRow<O extends KubeObject = KubeObject, T = unknown> {
  readonly resource: Resource<O>;
  /**
   * Who installs the kind. Without those of Kubernetes nothing is served; one of ours may be absent, but is waited for,
   * because people rely upon what its objects say; one that others install, convert and permit keeps nobody waiting.
   */
  readonly installedBy: 'kubernetes' | 'weft' | 'others';
  /** Type, schema and documentation, of kinds of ours. */
  readonly api?: Kind;
  /** Which objects of the kind, where it is not all of them. */
  within?(installation: Installation): Selection<O>;
  /** Only namespaces are read for which objects of these rows ask, by `Feed.beside`. Absent: all. */
  readonly askedBy?: readonly ('backendTlsPolicies' | 'externalServices')[];
  /** How objects get into the tables of the mesh. */
  readonly feed?: Feed<O, T>;
  readonly status?: StatusShape<O>;
  /** What each right is for, where the whole cluster's objects are read; the chart and docs/rbac.md are made of it. */
  readonly access?: Access;
}

/** Where this control plane is installed, and which one of several it is. */
export interface Installation {
  readonly systemNamespace: string;
  readonly revision: string;
}

type Selection<O extends KubeObject> = Pick<
  InformerOptions<O>,
  'namespace' | 'labelSelector' | 'fieldSelector'
>;

export interface Access {
  /** Why it lists and watches them. */
  readonly read: string;
  /** Why it patches their status. */
  readonly status?: string;
}

/** How objects of a kind get into a table of the mesh. */
export interface Feed<O extends KubeObject, T> {
  table(tables: MeshTables): { set(value: T): Dirty; delete(key: string): Dirty };
  /** What the table knows a value by: the uid of its object, or its `<namespace>/<name>`. */
  readonly key: 'uid' | 'name';
  /**
   * Whether users write the spec. Then only a change of the spec counts, and an object that cannot be read leaves its last
   * good form in force. Of others, what cannot be read is not there.
   */
  readonly written: boolean;
  read(object: O, surroundings: Surroundings): Read<T>;
  /** The namespace whose objects of another kind a value refers to, if it does: it takes effect when those have been read. */
  readonly beside?: { readonly kind: 'caBundles'; namespaceOf(value: T): string | undefined };
  /**
   * What its objects say secures the mesh: it stays in force while the API server does not serve the kind, as if a process that starts
   * then had seen them.
   */
  readonly lasting?: true;
  /** What stands for an object that users wrote and that cannot be read, while no earlier form of it is known. */
  standIn?(object: O): T | undefined;
}

/** What came of reading an object. */
export interface Read<T> {
  /** Absent when it cannot act. */
  readonly value?: T | undefined;
  readonly problems?: readonly Problem[];
}

/** What objects do not say themselves. */
export interface Surroundings {
  readonly installed: MeshSettings;
  /** Zone of a node; undefined when not known. */
  readonly zoneOf: (node: string) => string | undefined;
}

/** How the status of a kind's objects is kept true by the replica that leads. */
export interface StatusShape<O extends KubeObject> {
  /** Name of the queue, in logs and metrics; kinds of one name share it. */
  readonly queue: string;
  /** How long to wait for more after the first change, in milliseconds. Default 0. */
  readonly gatherMs?: number;
  /** From one write of an object's status to the next, at least, in milliseconds. Default 0. */
  readonly everyMs?: number;
  /** `apply`: all of the status is ours; `merge`: it has lists into which other controllers write, too. */
  readonly write: 'apply' | 'merge';
  /** What to tell in events about an object as it is stored. */
  notes?(object: O): readonly EventNote[];
  /** What makes objects due, by their keys, beside changes of their own and of their namespaces. */
  sources?(facts: StatusFacts): readonly Source[];
  /** Called when this replica starts to lead. */
  judge(facts: StatusFacts): StatusJudge<O>;
}

export interface StatusJudge<O extends KubeObject> {
  of(object: O): Judged;
  /** The object of a key is gone. */
  forget?(key: string): void;
}

export interface Judged {
  /** As it should be; absent where it is so already, and where nobody can judge yet. */
  readonly status?: object | undefined;
  /** When to judge again, even if nothing changes. */
  readonly againAfterMs?: number | undefined;
  /** To be told in an event about the object. */
  readonly note?: EventNote | undefined;
}

/** What statuses are made of, beside the objects. */
export interface StatusFacts {
  readonly view: ClusterView;
  readonly collector: Collector;
  readonly own: OwnAcks;
  readonly peers: Peers;
  readonly clock: Clock;
}
