import {
  MeshError,
  jittered,
  names,
  systemClock,
  watched,
  type Clock,
  type Counter,
  type Gauge,
  type Logger,
  type Metrics,
  type Watched,
} from '../base/index.js';
import type { IssuerMaterial } from '../identity/index.js';
import {
  EventRecorder,
  Informer,
  Resources,
  getObject,
  reconcile,
  storeSource,
  watchedSource,
  type KubeClient,
  type QueueMetrics,
  type WebhookConfiguration,
} from '../kube/index.js';
import { lackingCaBundle, setCaBundle } from './webhook-ca.js';
import { Contest } from './webhook-contest.js';
import { webhookDeviations } from './webhook-entries.js';

export interface WebhookKeeperOptions {
  readonly client: KubeClient;
  readonly revision: string;
  readonly systemNamespace: string;
  readonly issuer: Watched<IssuerMaterial | undefined>;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly queueMetrics: QueueMetrics;
  readonly clock?: Clock;
  /** How often to look although nobody told of a change. Default 10 s. */
  readonly everyMs?: number;
  /** How long something is wrong before it is told: an installation or upgrade may be under way. Default 5 s. */
  readonly tellAfterMs?: number;
}

/** However fast somebody writes against us, it costs one write in this time; one who goes on costs ever fewer. */
const GATHER_MS = 500;
const AGAIN_MS = 1_000;

const FAULTS = ['missing', 'changed', 'contested'] as const;

/** What is wrong with the configuration. A `caBundle` that is not ours is put right, and is one only where somebody keeps overwriting it. */
interface Fault {
  readonly kind: (typeof FAULTS)[number];
  readonly what: string;
}

const REASONS = {
  missing: 'WebhookMissing',
  changed: 'WebhookChanged',
  contested: 'WebhookContested',
} as const;

/**
 * Whether the API server asks us about every pod that the chart wants to be asked about. `unknown`: we could not look, or have nothing
 * yet that it could trust us by, so that pods are refused rather than created without a proxy. `faulty`: it was seen not to.
 */
export type WebhookState = 'in-place' | 'unknown' | 'faulty';

/**
 * Keeps `caBundle` of the webhook configuration equal to our roots, as soon as it is changed, and tells what else is wrong with it. The
 * rest belongs to the chart: the control plane may not write it, because rules and selectors give access to whatever they select.
 */
export class WebhookKeeper {
  readonly #options: WebhookKeeperOptions;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #faults: Gauge<'kind'>;
  readonly #repairs: Counter;
  readonly #events: EventRecorder;
  readonly #contest = new Contest();
  readonly #state = watched<WebhookState>('unknown');
  #fault: Fault | undefined;
  #faultSince = 0;
  #told = '';
  #complaint = '';
  #uid = '';

  constructor(options: WebhookKeeperOptions) {
    const { client, log, metrics, revision } = options;
    this.#options = options;
    this.#name = names.revisionName(revision);
    this.#clock = options.clock ?? systemClock;
    this.#events = new EventRecorder({ client, log, component: 'weft', clock: this.#clock });
    this.#faults = metrics.gauge(
      'weft_webhook_faults',
      '1 on the replica that leads while the webhook configuration is missing, differs from what the chart writes, or is overwritten again and again.',
      ['kind'],
    );
    this.#repairs = metrics.counter(
      'weft_webhook_repairs_total',
      'Times that caBundle of the webhook configuration was set.',
    );
  }

  /** How it was when we last looked. */
  get state(): Watched<WebhookState> {
    return this.#state;
  }

  /** Runs until the signal aborts; only the replica that leads. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, issuer, log, queueMetrics } = this.#options;
    const informer = new Informer({
      client,
      resource: Resources.webhookConfiguration,
      fieldSelector: `metadata.name=${this.#name}`,
      log,
    });
    const following = informer.run(signal);
    await reconcile(
      {
        name: 'webhook-configuration',
        log,
        metrics: queueMetrics,
        gatherMs: GATHER_MS,
        initial: () => [this.#name],
        sources: [storeSource(informer.store, () => [this.#name]), watchedSource(issuer, () => [this.#name])],
        reconcile: async (_key, until) => ({ againAfterMs: await this.#lookOrComplain(until) }),
      },
      signal,
    );
    await following;
    this.#set(undefined, 'unknown');
  }

  /** Pods may be refused until this works, so it is tried again soon, however often it has failed. */
  async #lookOrComplain(signal: AbortSignal): Promise<number> {
    try {
      const ms = await this.#look(signal);
      this.#complaint = '';
      return ms;
    } catch (thrown) {
      const problem = MeshError.from(thrown).message;
      this.#set(this.#fault, 'unknown');
      if (problem !== this.#complaint && !signal.aborted)
        this.#options.log.warn({ problem }, 'cannot look after the webhook configuration yet');
      this.#complaint = problem;
      return AGAIN_MS;
    }
  }

  /** Puts right what we may, tells the rest, and says when to look again. */
  async #look(signal: AbortSignal): Promise<number> {
    const { client, issuer, everyMs = 10_000 } = this.#options;
    const configuration = await getObject(
      client,
      Resources.webhookConfiguration,
      { name: this.#name },
      signal,
    );
    const fault = this.#faultOf(configuration);
    // Judged first: what is wrong is told even where it keeps us from putting anything right.
    if (fault !== undefined) this.#set(fault, 'faulty');
    let left = 0;
    let held = 0;
    try {
      if (configuration !== undefined) held = await this.#repair(configuration);
    } finally {
      if (fault !== undefined) left = await this.#tellInTime(fault);
    }
    if (fault === undefined) this.#set(undefined, issuer.current === undefined ? 'unknown' : 'in-place');
    return Math.min(...[left, held].filter((ms) => ms > 0), jittered(everyMs, 0.2));
  }

  /** Tells it once it is old enough; until then how long that is. */
  async #tellInTime(fault: Fault): Promise<number> {
    const { tellAfterMs = 5_000 } = this.#options;
    const left = this.#faultSince + tellAfterMs - this.#clock.now();
    if (left <= 0) await this.#tell(fault);
    return left;
  }

  /** Sets `caBundle`, or says in how many milliseconds: against somebody who overwrites it again and again, not at once. */
  async #repair(configuration: WebhookConfiguration): Promise<number> {
    this.#uid = configuration.metadata.uid;
    const wanted = lackingCaBundle(this.#options, configuration);
    if (wanted === undefined) return 0;
    const held = this.#contest.delayMs(wanted, this.#clock.monotonic());
    if (held > 0) return held;
    if (await setCaBundle(this.#options, configuration)) this.#repairs.inc();
    this.#contest.wrote(wanted, this.#clock.monotonic());
    return 0;
  }

  #faultOf(configuration: WebhookConfiguration | undefined): Fault | undefined {
    if (configuration === undefined)
      return { kind: 'missing', what: 'does not exist, so pods are created without a proxy' };
    const deviations = webhookDeviations(configuration, this.#options);
    if (deviations.length > 0) return { kind: 'changed', what: deviations.join('; ') };
    return this.#contest.isOn(this.#clock.monotonic())
      ? { kind: 'contested', what: 'somebody keeps overwriting its caBundle' }
      : undefined;
  }

  #set(fault: Fault | undefined, state: WebhookState): void {
    if (fault?.what !== this.#fault?.what) {
      this.#faultSince = this.#clock.now();
      if (fault === undefined) this.#told = '';
    }
    this.#fault = fault;
    for (const kind of FAULTS) this.#faults.set({ kind }, fault?.kind === kind ? 1 : 0);
    if (this.#state.current !== state) this.#state.set(state);
  }

  async #tell({ kind, what }: Fault): Promise<void> {
    const message = `MutatingWebhookConfiguration ${this.#name} ${this.#remedy({ kind, what })}`;
    if (this.#told !== message) this.#options.log.error(message);
    this.#told = message;
    const { apiVersion, kind: of } = Resources.webhookConfiguration;
    await this.#events.record(
      { apiVersion, kind: of, namespace: '', name: this.#name, uid: this.#uid },
      { type: 'Warning', reason: REASONS[kind], message },
    );
  }

  #remedy({ kind, what }: Fault): string {
    if (kind === 'contested')
      return (
        `is written against: ${what}, and pods of meshed namespaces are refused while it is not ours; end the tool that writes it, which ` +
        `kubectl get mutatingwebhookconfiguration ${this.#name} -o yaml --show-managed-fields names`
      );
    // Helm leaves in place what others added to an object.
    const told =
      kind === 'missing'
        ? `${what}; install`
        : `is not what the chart installs: ${what}; delete it, then install`;
    return (
      `${told} the chart again, with the values it had; weft check names pods of meshed ` +
      'namespaces that were created without a proxy until then'
    );
  }
}
