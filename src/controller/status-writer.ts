import { MeshError, systemClock, type Clock, type Logger } from '../base/index.js';
import {
  EventRecorder,
  applyObject,
  mergeStatus,
  objectKey,
  orUndefined,
  reconcile,
  storeSource,
  terminalOn,
  type EventNote,
  type KubeClient,
  type KubeObject,
  type Outcome,
  type QueueMetrics,
  type Reconciler,
  type Resource,
  type Source,
} from '../kube/index.js';
import type { OwnAcks } from './acks.js';
import { knownKinds, type ClusterView, type KnownKind } from './cluster-view.js';
import type { Collector } from './collector.js';
import type { StatusFacts, StatusJudge, StatusShape } from './kinds/index.js';
import type { Peers } from './peers.js';
import { answersFor } from './revision.js';

export interface StatusWriterOptions {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly collector: Collector;
  readonly own: OwnAcks;
  readonly peers: Peers;
  readonly revision: string;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
  readonly clock?: Clock;
}

/** Somebody else wrote in between; the informer brings the object as it is now. */
const AGAIN_MS = 200;

/**
 * Keeps the status of every object true, of every kind that has one, as long as this replica leads: of the objects that
 * this revision answers for.
 */
export async function writeStatuses(options: StatusWriterOptions, signal: AbortSignal): Promise<void> {
  const facts: StatusFacts = { ...options, clock: options.clock ?? systemClock };
  const judged = knownKinds(options.view).flatMap(({ row, store }) =>
    row.status === undefined
      ? []
      : [new JudgedKind({ row, store, shape: row.status, judge: row.status.judge(facts) })],
  );
  const byQueue = Map.groupBy(judged, ({ shape }) => shape.queue);
  await Promise.all(
    [...byQueue].map(([name, kinds]) => reconcile(reconcilerOf(name, kinds, options, facts), signal)),
  );
}

function reconcilerOf(
  name: string,
  kinds: readonly JudgedKind[],
  options: StatusWriterOptions,
  facts: StatusFacts,
): Reconciler {
  const { client, log, queueMetrics } = options;
  const recorder = new EventRecorder({ client, log, component: 'weft' });
  return {
    name,
    log,
    metrics: queueMetrics,
    gatherMs: Math.max(...kinds.map(({ shape }) => shape.gatherMs ?? 0)),
    initial: () => kinds.flatMap((kind) => kind.all()),
    sources: kinds.flatMap((kind) => kind.sources(facts)),
    reconcile: async (key, signal) => {
      const kind = kinds.find((candidate) => candidate.has(key));
      return await kind?.write(key, { ...options, recorder, signal });
    },
  };
}

interface WriteOptions extends StatusWriterOptions {
  readonly recorder: EventRecorder;
  readonly signal: AbortSignal;
}

interface JudgedKindOptions extends Pick<KnownKind, 'row' | 'store'> {
  readonly shape: StatusShape<KubeObject>;
  readonly judge: StatusJudge<KubeObject>;
}

/** A kind whose status we write. Its keys in a queue have its name before them: `HTTPRoute shop/reviews`. */
class JudgedKind {
  readonly shape: StatusShape<KubeObject>;
  readonly #options: JudgedKindOptions;
  readonly #prefix: string;
  readonly #lastWrites = new Map<string, number>();

  constructor(options: JudgedKindOptions) {
    this.shape = options.shape;
    this.#options = options;
    this.#prefix = `${options.row.resource.kind} `;
  }

  has(key: string): boolean {
    return key.startsWith(this.#prefix);
  }

  all(): readonly string[] {
    return this.#keysOf(this.#options.store.values());
  }

  sources(facts: StatusFacts): readonly Source[] {
    const { store, judge } = this.#options;
    const own = this.shape.sources?.(facts) ?? [];
    return [
      storeSource(store, (change) => {
        if (change.type === 'delete') {
          this.#lastWrites.delete(change.key);
          judge.forget?.(change.key);
        }
        return [`${this.#prefix}${change.key}`];
      }),
      storeSource(facts.view.namespaces.store, ({ key }) => this.#keysOf(store.inNamespace(key))),
      ...own.map<Source>(
        (source) => (due) => source((keys) => due([...keys].map((key) => `${this.#prefix}${key}`))),
      ),
    ];
  }

  async write(queued: string, options: WriteOptions): Promise<Outcome | undefined> {
    const key = queued.slice(this.#prefix.length);
    const object = this.#options.store.get(key);
    if (object === undefined || object.metadata.deleting) return undefined;
    if (!answersFor(options.view, options.revision, object.metadata)) return undefined;
    const leftMs = this.#untilNextWriteMs(key);
    if (leftMs > 0) return { againAfterMs: leftMs };
    const { status, againAfterMs, note } = this.#options.judge.of(object);
    if (note !== undefined) await this.#record(object, note, options);
    if (status !== undefined) {
      if (!(await this.#send(object, status, options))) return { againAfterMs: AGAIN_MS };
      this.#lastWrites.set(key, performance.now());
    }
    return againAfterMs === undefined ? undefined : { againAfterMs };
  }

  #untilNextWriteMs(key: string): number {
    const sinceWrite = performance.now() - (this.#lastWrites.get(key) ?? Number.NEGATIVE_INFINITY);
    return (this.shape.everyMs ?? 0) - sinceWrite;
  }

  async #record(object: KubeObject, note: EventNote, { recorder }: WriteOptions): Promise<void> {
    const { apiVersion, kind } = this.#options.row.resource;
    const { namespace, name, uid } = object.metadata;
    await recorder.record({ apiVersion, kind, namespace, name, uid }, note);
  }

  /** False: somebody else wrote in between. */
  async #send(object: KubeObject, status: object, { client, signal }: WriteOptions): Promise<boolean> {
    const { resource } = this.#options.row;
    const written =
      this.shape.write === 'merge'
        ? mergeStatus(client, resource, object.metadata, { status, signal })
        : applyStatus(client, resource, object, { status, signal });
    try {
      // It may have been deleted in the meantime; and what the schema refuses, it refuses again.
      await terminalOn(['invalid'], orUndefined(written));
      return true;
    } catch (thrown) {
      if (this.shape.write === 'merge' && MeshError.from(thrown).code === 'conflict') return false;
      throw thrown;
    }
  }

  #keysOf(objects: Iterable<KubeObject>): string[] {
    return [...objects].map((object) => `${this.#prefix}${objectKey(object)}`);
  }
}

async function applyStatus(
  client: KubeClient,
  resource: Resource<KubeObject>,
  { metadata: { namespace, name } }: KubeObject,
  { status, signal }: { readonly status: object; readonly signal: AbortSignal },
): Promise<KubeObject> {
  const metadata = { name, ...(namespace === '' ? {} : { namespace }) };
  return await applyObject(client, resource, { metadata, status }, { subresource: 'status', signal });
}
