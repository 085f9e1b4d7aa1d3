import { createHash } from 'node:crypto';
import { MeshError, setLatest, systemClock, type Clock, type Logger } from '../base/index.js';
import type { KubeClient } from './client.js';
import { Resources } from './resource.js';
import { createObject } from './write.js';

/** The object an event is about. */
export interface EventTarget {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface EventNote {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase, for machines. */
  readonly reason: string;
  /** For a person, at most 1 kB. */
  readonly message: string;
}

/** The same note about the same object is not sent again for this long. */
const QUIET_MS = 10 * 60_000;
const REMEMBERED = 4_096;

/** Writes events that `kubectl describe` shows. Losing one is no failure; repeating one without end would be. */
export class EventRecorder {
  readonly #client: KubeClient;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #component: string;
  readonly #sent = new Map<string, number>();

  constructor(options: { client: KubeClient; log: Logger; component: string; clock?: Clock }) {
    this.#client = options.client;
    this.#log = options.log;
    this.#component = options.component;
    this.#clock = options.clock ?? systemClock;
  }

  async record(target: EventTarget, note: EventNote): Promise<void> {
    const digest = createHash('sha256')
      .update(JSON.stringify([target, note]))
      .digest('hex')
      .slice(0, 16);
    const now = this.#clock.now();
    const last = this.#sent.get(digest);
    if (last !== undefined && now - last < QUIET_MS) return;
    setLatest(this.#sent, digest, now, REMEMBERED);
    try {
      await this.#write(target, note, `${target.name}.${digest}`);
    } catch (thrown) {
      this.#log.warn({ err: MeshError.from(thrown), target, note }, 'could not write an event');
    }
  }

  /** A name that follows from the content: a replica that takes over writes the same event rather than one more. */
  async #write(target: EventTarget, note: EventNote, name: string): Promise<void> {
    const namespace = target.namespace === '' ? 'default' : target.namespace;
    const time = new Date(this.#clock.now()).toISOString();
    const event = {
      metadata: { name, namespace },
      involvedObject: target,
      type: note.type,
      reason: note.reason,
      message: note.message.slice(0, 1_024),
      source: { component: this.#component },
      reportingComponent: this.#component,
      reportingInstance: this.#component,
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    };
    try {
      await createObject(this.#client, Resources.event, event);
    } catch (thrown) {
      // Somebody of us has written it already, and nobody has to be able to change events.
      if (MeshError.from(thrown).code !== 'already-exists') throw thrown;
    }
  }
}
