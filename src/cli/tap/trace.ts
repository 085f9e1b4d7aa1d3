import { MeshError, sleep } from '../../base/index.js';
import type { KubeClient, Pod } from '../../kube/index.js';
import { demandInspection } from '../inspect/ask.js';
import { demandProxies, findPods } from '../inspect/pods.js';
import type { Page } from '../page.js';
import type { Event } from './event.js';
import { follow } from './follow.js';
import { lastsMs, questionOf, type Filters } from './question.js';
import { hasId, isSame, receiversOf } from './receivers.js';
import { renderTrace } from './render-trace.js';

/** As they are typed. */
export interface TraceFlags extends Filters {
  readonly namespace: string;
  readonly timeout: string;
  readonly output: 'text' | 'json';
}

export interface TraceOptions extends TraceFlags {
  readonly client: KubeClient;
  readonly page: Page;
  /** Who calls: `pod/NAME`, `deploy/NAME` and the like. */
  readonly source: string;
  readonly note: (text: string) => void;
}

interface Received {
  readonly pod: string;
  readonly event: Event;
}

/** What is printed as JSON; docs/tap.md describes it. */
export interface Trace {
  /** `pod namespace/name`. */
  readonly from: string;
  readonly caller: Event;
  /** What the pods say that received it, attempt by attempt. */
  readonly receivers: readonly Received[];
  readonly notes: readonly string[];
}

/** Receivers that have begun to tell are not waited for longer than this before the caller is followed. */
const READY_MS = 5_000;
/** A receiver may tell of a request a moment after its caller. */
const GRACE_MS = 2_000;
/** Requests of each receiver that are kept, since one of them may turn out to be the one: the busiest must not displace those of others. */
const KEPT = 2_000;
/** And how long: an attempt may have ended long before the request that it was of. */
const KEPT_MS = 60_000;
/** Requests that a receiver tells of. */
const MOST_TOLD = 10_000;

/** The next request that matches, stage by stage and attempt by attempt; `undefined` where none came in time. */
export async function trace(options: TraceOptions): Promise<string | undefined> {
  const { client, source, namespace, output, page, note } = options;
  const ms = lastsMs('--timeout', options.timeout);
  const question = { ...questionOf(options, namespace), side: 'caller', max: 1, rate: 1 };
  const pods = async (): Promise<readonly Pod[]> => demandProxies(await findPods(client, source, namespace));
  const [first] = await pods();
  await demandInspection(client, first?.metadata.namespace ?? namespace);
  const found = new AbortController();
  const receiving = await Receiving.begin(options, Math.ceil(ms / 1_000), found.signal);
  let called: { readonly event: Event; readonly pod: Pod } | undefined;
  const enough = new AbortController();
  await follow({
    client,
    pods,
    question: { ...question, seconds: Math.ceil(ms / 1_000) },
    signal: AbortSignal.any([enough.signal, AbortSignal.timeout(ms)]),
    onEvent: (event, pod) => {
      called ??= { event, pod };
      enough.abort();
    },
    onWatching: (proxies) => {
      if (proxies === 1) note(`waiting for the next request of ${source}`);
    },
  }).finally(() => {
    if (called === undefined) found.abort();
  });
  if (called === undefined) return undefined;
  const joined = await receiving.join(called.event);
  found.abort();
  const { namespace: of, name } = called.pod.metadata;
  const report: Trace = { from: `pod ${of}/${name}`, caller: called.event, ...joined };
  return output === 'json' ? JSON.stringify(report, null, 2) : renderTrace(report, page);
}

/** The other side, which has to be watched before it is known which request is meant. */
class Receiving {
  readonly #told = new Map<string, { readonly pod: Pod; readonly event: Event; readonly at: number }[]>();
  /** Receivers that have told of all that they may. */
  readonly #full = new Set<string>();
  #note: string | undefined;

  static async begin(options: TraceOptions, seconds: number, signal: AbortSignal): Promise<Receiving> {
    const receiving = new Receiving();
    await receiving.#begin(options, seconds, signal).catch((thrown: unknown) => {
      receiving.#note = `the receiver is not shown: ${MeshError.from(thrown).message}`;
    });
    return receiving;
  }

  async #begin(options: TraceOptions, seconds: number, signal: AbortSignal): Promise<void> {
    const { client, to, namespace, method, showHeader } = options;
    if (to === undefined) {
      this.#note = 'to see the receiver too, name the Service that is called: --to SERVICE';
      return;
    }
    const pods = await receiversOf(client, to, namespace);
    const asked = { header: [], showHeader, ...(method === undefined ? {} : { method }) };
    const ready = new AbortController();
    const following = follow({
      client,
      pods: async () => receiversOf(client, to, namespace),
      question: { ...questionOf(asked, namespace), side: 'receiver', max: MOST_TOLD, rate: 1_000, seconds },
      signal,
      onEvent: (event, pod) => {
        this.#keep(event, pod);
      },
      onEnded: (why, pod) => {
        if (why === 'max') this.#full.add(nameOf(pod));
      },
      onWatching: (proxies) => {
        if (proxies >= pods.length) ready.abort();
      },
    });
    void following
      .then(({ notes }) => (this.#note ??= notes[0]))
      .catch((thrown: unknown) => {
        this.#note = `the receiver is not shown: ${MeshError.from(thrown).message}`;
      })
      .finally(() => ready.abort());
    await sleep(READY_MS, ready.signal).catch(() => undefined);
  }

  /** What receivers say of the request. */
  async join(called: Event): Promise<Pick<Trace, 'receivers' | 'notes'>> {
    if (this.#note !== undefined) return { receivers: [], notes: [this.#note] };
    if (called.attempts.length === 0) return { receivers: [], notes: [] };
    if (!hasId(called)) {
      const why =
        'the request has neither the header traceparent nor x-request-id, by which it could be found there';
      return { receivers: [], notes: [`the receiver is not shown: ${why}`] };
    }
    const until = performance.now() + GRACE_MS;
    let receivers = this.#same(called);
    while (receivers.length < called.attempts.length && performance.now() < until) {
      await sleep(20);
      receivers = this.#same(called);
    }
    const missing = called.attempts.length - receivers.length;
    if (missing === 0) return { receivers, notes: [] };
    const note = `${missing} of ${called.attempts.length} attempts: no receiver that is watched has seen it`;
    return { receivers, notes: [note, ...this.#blind()] };
  }

  /** Why a receiver may not have told of the request although it was there. */
  #blind(): readonly string[] {
    if (this.#full.size === 0) return [];
    const who = [...this.#full].sort().join(', ');
    return [
      `${who} told of ${MOST_TOLD} requests before, which is all that a receiver tells, so it may have passed there; narrow with --method, or try again`,
    ];
  }

  #keep(event: Event, pod: Pod): void {
    const now = performance.now();
    const told = this.#told.get(nameOf(pod)) ?? [];
    this.#told.set(nameOf(pod), told);
    told.push({ event, pod, at: now });
    while (told.length > KEPT || (told[0] !== undefined && told[0].at < now - KEPT_MS)) told.shift();
  }

  #same(called: Event): readonly Received[] {
    return [...this.#told.values()]
      .flat()
      .filter(({ event, pod }) => isSame(called, event, pod.ips))
      .map(({ event, pod }) => ({ pod: nameOf(pod), event }));
  }
}

function nameOf({ metadata }: Pod): string {
  return `${metadata.namespace}/${metadata.name}`;
}
