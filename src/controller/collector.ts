import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../base/index.js';
import { objectKey, type Change, type KubeObject, type Node, type ReadonlyStore } from '../kube/index.js';
import { MeshTables, type Dirty, type Mesh, type MeshSettings, type Problem } from '../model/index.js';
import { knownKinds, type ClusterView } from './cluster-view.js';
import { Kinds, type Feed, type Surroundings } from './kinds/index.js';
import { GoodForms, SettingsHistory } from './last-known/index.js';

export interface CollectorOptions {
  readonly view: ClusterView;
  /** What the installation fixes; a MeshConfig is laid over it. */
  readonly installed: MeshSettings;
  readonly log: Logger;
}

/** Turns every change that the informers see into a change of the model's tables, and tells what it made dirty. */
export class Collector {
  readonly #tables: MeshTables;
  readonly #options: CollectorOptions;
  readonly #listeners = new Set<(dirty: Dirty) => void>();
  readonly #problems = new Map<
    string,
    { readonly generation: number; readonly problems: readonly Problem[] }
  >();
  /** By uid what takes effect when what it refers to has been read. */
  readonly #waiting = new Map<string, unknown>();
  readonly #surroundings: Surroundings;
  readonly settingsHistory: SettingsHistory;
  readonly goodForms = new GoodForms();

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#tables = new MeshTables(options.installed);
    this.#surroundings = {
      installed: options.installed,
      zoneOf: (node) => options.view.nodes.store.get(node)?.zone,
    };
    this.settingsHistory = new SettingsHistory(options.installed);
  }

  get mesh(): Mesh {
    return this.#tables;
  }

  /** What reading an object found, by its uid; what the rest of the mesh shows comes from `judge`. */
  problemsOf(uid: string): readonly Problem[] {
    return this.#problems.get(uid)?.problems ?? [];
  }

  /** What tokens of sessions are made with from now on. */
  setSessionKey(key: Uint8Array): void {
    this.#dirty(this.#tables.setSessionKey(key));
  }

  /** Tells of each change of the mesh, after it. The answer stops it. */
  onDirty(listener: (dirty: Dirty) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Starts to listen; call it before the informers run. */
  attach(): void {
    const { view } = this.#options;
    for (const { row, store } of knownKinds(view)) {
      if (row.feed?.written === true) this.#followWritten(store, row.resource.kind, row.feed);
      else if (row.feed !== undefined) this.#followObserved(store, row.feed);
    }
    view.nodes.store.onChange((change) => this.#node(change));
    this.#followSettings();
  }

  #followSettings(): void {
    const { meshConfigs, lastKnown } = this.#options.view;
    const history = this.settingsHistory;
    meshConfigs.store.onChange(() => {
      // The schema allows one MeshConfig; were there more, the first by name would count.
      const [first] = [...meshConfigs.store.values()].sort((a, b) =>
        a.metadata.name < b.metadata.name ? -1 : 1,
      );
      history.setObject(first);
      this.#settings();
    });
    lastKnown.store.onChange((change) => {
      if (change.type === 'delete') return;
      this.goodForms.setRecorded(change.object.forms);
      if (change.object.settings !== undefined) history.setRecord(change.object.settings);
      const { keySets } = change.object;
      if (keySets !== undefined) this.#dirty(this.#tables.setKeySets(keySets));
      this.#settings();
    });
    void lastKnown.settled.then(() => {
      history.recordListed();
      this.#settings();
    });
  }

  /** Follows a kind whose objects are facts. One may be replaced by another of its name, as a StatefulSet's pod is. */
  #followObserved<O extends KubeObject, T>(store: ReadonlyStore<O>, feed: Feed<O, T>): void {
    const idOf = (object: O): string => (feed.key === 'uid' ? object.metadata.uid : objectKey(object));
    store.onChange((change) => {
      const previous = change.previous === undefined ? undefined : idOf(change.previous);
      const { value } = change.type === 'set' ? feed.read(change.object, this.#surroundings) : {};
      const gone = change.type === 'delete' || value === undefined || idOf(change.object) !== previous;
      if (previous !== undefined && gone) this.#dirty(feed.table(this.#tables).delete(previous));
      if (value !== undefined) this.#dirty(feed.table(this.#tables).set(value));
    });
  }

  /** Zones of nodes hardly ever change, so looking through all pods is fine. */
  #node(change: Change<Node>): void {
    const zone = change.type === 'set' ? change.object.zone : undefined;
    if (zone === change.previous?.zone) return;
    const { feed } = Kinds.pods;
    for (const pod of this.#options.view.pods.store.values()) {
      if (pod.nodeName !== change.key) continue;
      const { value } = feed?.read(pod, this.#surroundings) ?? {};
      if (value !== undefined) this.#dirty(this.#tables.workloads.set(value));
    }
  }

  /** Follows a kind whose objects users write. An object that cannot be read leaves its last good form in force. */
  #followWritten<O extends KubeObject, T>(store: ReadonlyStore<O>, kind: string, feed: Feed<O, T>): void {
    store.onChange((change) => {
      const previous = change.previous?.metadata.uid;
      const uid = change.type === 'set' ? change.object.metadata.uid : undefined;
      if (previous !== undefined && previous !== uid) {
        this.goodForms.forget(previous);
        this.#problems.delete(previous);
        this.#waiting.delete(previous);
        if (feed.beside !== undefined) void this.#options.view[feed.beside.kind].follow(previous, undefined);
        this.#dirty(feed.table(this.#tables).delete(previous));
      }
      // Status is written by us and by others, and the spec is what the generation counts.
      if (change.type === 'set' && !isSameSpec(change.previous, change.object))
        this.#read(change.object, kind, feed);
    });
  }

  #read<O extends KubeObject, T>(object: O, kind: string, feed: Feed<O, T>): void {
    const good = this.goodForms.read(object, {
      kind,
      read: (form) => this.#readForm(form, feed),
      lasting: feed.lasting === true,
      again: () => this.#read(object, kind, feed),
    });
    const { namespace, name, uid } = object.metadata;
    if (good !== undefined) this.#set(uid, good, feed);
    const acting = this.goodForms.actingGeneration(uid);
    if (good !== undefined && acting === undefined) return;
    const standIn = acting === undefined ? feed.standIn?.(object) : undefined;
    if (standIn !== undefined) this.#dirty(feed.table(this.#tables).set(standIn));
    this.#options.log.warn(
      { kind, namespace, name, acting, problems: this.problemsOf(uid) },
      'an object cannot be read; its last good form, if there was one, stays in force',
    );
  }

  /** What a value refers to is read first: else it would refuse until then what the one before it let pass. */
  #set<O extends KubeObject, T>(uid: string, value: T, feed: Feed<O, T>): void {
    const { beside } = feed;
    const set = (): void => this.#dirty(feed.table(this.#tables).set(value));
    const reading =
      beside === undefined
        ? undefined
        : this.#options.view[beside.kind].follow(uid, beside.namespaceOf(value));
    if (reading === undefined) {
      this.#waiting.delete(uid);
      set();
      return;
    }
    this.#waiting.set(uid, value);
    void reading.then(() => {
      if (this.#waiting.get(uid) !== value) return;
      this.#waiting.delete(uid);
      set();
    });
  }

  /** Of the forms of an object that are tried, the newest says what is wrong with it. */
  #readForm<O extends KubeObject, T>(object: O, feed: Feed<O, T>): T | undefined {
    const { value, problems } = feed.read(object, this.#surroundings);
    const { uid, generation } = object.metadata;
    const noted = this.#problems.get(uid);
    if (problems !== undefined && (noted === undefined || noted.generation <= generation))
      this.#problems.set(uid, { generation, problems });
    return value;
  }

  #settings(): void {
    const { settings } = this.settingsHistory;
    if (!isDeepStrictEqual(settings, this.#tables.settings)) this.#dirty(this.#tables.setSettings(settings));
  }

  #dirty(dirty: Dirty): void {
    if (dirty.size === 0) return;
    for (const listener of this.#listeners) listener(dirty);
  }
}

function isSameSpec(before: KubeObject | undefined, now: KubeObject): boolean {
  const { uid, generation } = now.metadata;
  return before?.metadata.uid === uid && before.metadata.generation === generation;
}
