import { MeshError, sleep } from '../../base/index.js';
import type { KubeClient, Pod } from '../../kube/index.js';
import { followProxy } from '../inspect/ask.js';
import { told, type Event, type Told } from './event.js';

/** Pods that are followed at once. */
export const MOST_PODS = 50;
/** How often new pods are looked for. */
const LOOK_MS = 5_000;

export interface FollowOptions {
  readonly client: KubeClient;
  /** Those that are meant, as they are now: asked again and again. */
  readonly pods: () => Promise<readonly Pod[]>;
  readonly question: object;
  /** `leftOut`: requests that were too many for proxies to tell, so far. */
  readonly onEvent: (event: Event, pod: Pod, leftOut: number) => void;
  /** So many proxies tell what passes now. */
  readonly onWatching?: (proxies: number) => void;
  /** A proxy tells nothing more by its own choice, and why: `max` where it has told all that was asked for. */
  readonly onEnded?: (why: string, pod: Pod) => void;
  readonly signal: AbortSignal;
  readonly lookMs?: number;
}

/** How it was. */
export interface Followed {
  /** Proxies that have told, or would have. */
  readonly proxies: number;
  /** Requests that were too many for a watcher. */
  readonly leftOut: number;
  /** Why a proxy is not followed any more, or was not, in words. */
  readonly notes: readonly string[];
}

/** Follows the proxies of pods, and of pods that come later, until all have ended or `signal` is given. */
export async function follow(options: FollowOptions): Promise<Followed> {
  const following = new Following(options);
  const first = await options.pods();
  const ends = following.begin(first);
  const looking = following.look();
  await Promise.all(ends);
  const failure = following.failure;
  // Where nobody could be asked it is an error, where one has gone a note.
  if (failure !== undefined && following.watched.size === 0 && !options.signal.aborted) {
    following.stop();
    await looking;
    throw failure;
  }
  await following.ended();
  following.stop();
  await looking;
  return following.outcome();
}

class Following {
  /** Proxies that have answered. */
  readonly watched = new Set<string>();
  failure: MeshError | undefined;
  readonly #options: FollowOptions;
  /** Those that were begun with and are still there: none is begun with twice. */
  readonly #known = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #leftOut = new Map<string, number>();
  readonly #notes = new Set<string>();
  readonly #done = new AbortController();

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  /** Follows those of them that are new; the promises end with them. */
  begin(pods: readonly Pod[]): readonly Promise<void>[] {
    const fresh = pods.filter((pod) => !this.#known.has(idOf(pod)));
    const room = fresh.slice(0, Math.max(0, MOST_PODS - this.#running.size));
    if (room.length < fresh.length)
      this.#notes.add(`${MOST_PODS} pods are followed at once; there are more, which are not`);
    return room.map((pod) => {
      const id = idOf(pod);
      const end = this.#follow(pod).finally(() => this.#running.delete(id));
      this.#known.add(id);
      this.#running.set(id, end);
      return end;
    });
  }

  /** Follows pods that come. */
  async look(): Promise<void> {
    const signal = AbortSignal.any([this.#options.signal, this.#done.signal]);
    for (;;) {
      await sleep(this.#options.lookMs ?? LOOK_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      // The API server may be away for a while; those that are followed go on.
      const pods = await this.#options.pods().catch(() => undefined);
      if (pods === undefined) continue;
      this.#forgetAllBut(pods);
      void this.begin(pods);
    }
  }

  /** Ends when none of those that have come tells anything any more. */
  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  /** Pods that are gone need not be known any more. */
  #forgetAllBut(pods: readonly Pod[]): void {
    const there = new Set(pods.map(idOf));
    for (const id of this.#known) if (!there.has(id) && !this.#running.has(id)) this.#known.delete(id);
  }

  stop(): void {
    this.#done.abort();
  }

  outcome(): Followed {
    return { proxies: this.watched.size, leftOut: this.#leftOutByAll(), notes: [...this.#notes] };
  }

  #leftOutByAll(): number {
    return [...this.#leftOut.values()].reduce((sum, count) => sum + count, 0);
  }

  async #follow(pod: Pod): Promise<void> {
    const { client, question, signal } = this.#options;
    try {
      for await (const line of followProxy(client, pod.metadata, question, signal)) {
        const said = told(line);
        if (said !== undefined) this.#hear(said, pod);
      }
    } catch (thrown) {
      if (signal.aborted) return;
      this.failure = MeshError.from(thrown);
      const { namespace, name } = pod.metadata;
      this.#notes.add(`${namespace}/${name} is not followed: ${this.failure.message}`);
    }
  }

  #hear(said: Told, pod: Pod): void {
    const { signal, onEvent, onWatching, onEnded } = this.#options;
    this.#leftOut.set(idOf(pod), said.leftOut);
    if (!this.watched.has(idOf(pod))) {
      this.watched.add(idOf(pod));
      onWatching?.(this.watched.size);
    }
    if (signal.aborted) return;
    if ('event' in said) onEvent(said.event, pod, this.#leftOutByAll());
    else if (said.state.tap === 'ended') onEnded?.(said.state.why ?? '', pod);
  }
}

function idOf({ metadata }: Pod): string {
  return metadata.uid === '' ? `${metadata.namespace}/${metadata.name}` : metadata.uid;
}
