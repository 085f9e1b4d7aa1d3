import {
  MeshError,
  jittered,
  pause,
  systemClock,
  type Clock,
  type Gauge,
  type Logger,
  type Metrics,
} from '../base/index.js';
import type { KubeClient } from './client.js';
import { orUndefined } from './errors.js';
import { resourcePath } from './resource.js';

export interface LeaseOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Who we are in the Lease: the pod's name. */
  readonly identity: string;
  /**
   * Whether a holder is known to be gone for good, as when its pod is deleted: then its Lease is taken at once rather
   * than after its duration. Asked about others only. Absent: never known.
   */
  readonly isGone?: (holder: string, signal: AbortSignal) => Promise<boolean>;
  readonly log: Logger;
  readonly metrics?: LeaseMetrics;
  readonly timing?: Partial<LeaseTiming>;
  readonly clock?: Clock;
}

/** Milliseconds. */
export interface LeaseTiming {
  /** Others may take the Lease when it was not renewed for this long. */
  readonly durationMs: number;
  /** A leader that could not renew for this long stops leading; shorter than the duration, so that two never lead. */
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

const TIMING: LeaseTiming = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 };
const LEASE = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', plural: 'leases' } as const;

export interface LeaseMetrics {
  readonly leading: Gauge;
}

export function createLeaseMetrics(metrics: Metrics): LeaseMetrics {
  return { leading: metrics.gauge('weft_leader', '1 while this replica leads.') };
}

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

interface RawLease {
  readonly metadata: { readonly resourceVersion?: string };
  readonly spec?: LeaseSpec;
}

/**
 * Leader election over a Lease. Clocks of others are not trusted: what counts is how long we ourselves have seen the
 * Lease unchanged. Work that leads gets a signal that aborts when the Lease is lost; when that work fails, the error
 * goes to whoever called `run`, who is to end the process: a leader that lost a part of itself must not stay leader.
 */
export class LeaseElection {
  readonly #options: LeaseOptions;
  readonly #timing: LeaseTiming;
  readonly #clock: Clock;
  #observed: { readonly text: string; readonly at: number } | undefined;
  /** When the write that took or renewed the Lease last was sent: others count from its arrival, which is later. */
  #renewedAt = -Infinity;
  #tickedAt: number;
  #leading = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#clock = options.clock ?? systemClock;
    this.#tickedAt = this.#clock.monotonic();
  }

  get leading(): boolean {
    return this.#leading;
  }

  /**
   * Whether this replica leads and nobody else can by now. False at once when a process that was frozen wakes, before its
   * timers have told anybody that the Lease is lost.
   */
  get holds(): boolean {
    return this.#leading && this.#clock.monotonic() < this.#renewedAt + this.#timing.renewDeadlineMs;
  }

  /** Whether the loop still turns, leading or not. API errors do not make it false; a hung loop does. */
  get alive(): boolean {
    return this.#clock.monotonic() - this.#tickedAt < this.#timing.durationMs * 4;
  }

  /** Stands for election until the signal aborts, then gives the Lease back. `lead` starts at each win. */
  async run(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#tryTake(signal)) await this.#lead(lead, signal);
      else await pause(jittered(this.#timing.retryMs, 0.2), signal);
    }
  }

  async #lead(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { log, metrics, name, identity } = this.#options;
    const lost = new AbortController();
    log.info({ lease: name, identity }, 'leading');
    this.#leading = true;
    metrics?.leading.set(1);
    const leadSignal = AbortSignal.any([signal, lost.signal]);
    const work = lead(leadSignal).catch((thrown: unknown) => {
      if (!leadSignal.aborted) throw thrown;
    });
    try {
      // Work that ends by itself also ends the leading, and with it the process.
      await Promise.race([this.#renewUntilLost(signal), work.then(() => this.#workEnded(leadSignal))]);
    } finally {
      lost.abort(new MeshError('aborted', `lost the lease ${name}`));
      this.#leading = false;
      metrics?.leading.set(0);
      log.info({ lease: name, identity }, 'no longer leading');
      await this.#workEnds(work);
      if (signal.aborted) await this.#release();
    }
  }

  /** Work that goes on although its signal has aborted would go on beside the next leader's. */
  async #workEnds(work: Promise<void>): Promise<void> {
    const ended = work.then(
      () => true,
      () => true,
    );
    const late = new AbortController();
    const inTime = await Promise.race([ended, pause(this.#timing.durationMs, late.signal).then(() => false)]);
    late.abort();
    if (!inTime)
      throw new MeshError('internal', 'the work of the leader did not end when the lease was lost');
  }

  async #workEnded(signal: AbortSignal): Promise<void> {
    if (!signal.aborted)
      throw new MeshError('internal', 'the work of the leader ended although it still leads');
    await Promise.resolve();
  }

  /** Returns when the Lease is lost or the signal aborts. */
  async #renewUntilLost(signal: AbortSignal): Promise<void> {
    while (await pause(this.#timing.retryMs, signal)) {
      const remaining = this.#renewedAt + this.#timing.renewDeadlineMs - this.#clock.monotonic();
      if (remaining <= 0) return;
      const attempt = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(remaining))]);
      if ((await this.#attempt(attempt)) === 'taken') return;
    }
  }

  async #tryTake(signal: AbortSignal): Promise<boolean> {
    return (await this.#attempt(signal)) === 'held';
  }

  /** One try to take or renew. `taken`: somebody else holds it. `failed`: we do not know. */
  async #attempt(signal: AbortSignal): Promise<'held' | 'taken' | 'failed'> {
    this.#tickedAt = this.#clock.monotonic();
    try {
      return (await this.#takeOrRenew(signal)) ? 'held' : 'taken';
    } catch (thrown) {
      const error = MeshError.from(thrown);
      // Somebody wrote in between: the next look tells who.
      if (error.code === 'conflict' || error.code === 'already-exists') return 'failed';
      if (!signal.aborted)
        this.#options.log.warn({ err: error, lease: this.#options.name }, 'cannot reach the lease');
      return 'failed';
    }
  }

  async #takeOrRenew(signal: AbortSignal): Promise<boolean> {
    const { client, namespace, name, identity } = this.#options;
    const at = { namespace, name };
    const current = (await orUndefined(
      client.request({
        path: resourcePath(LEASE, at),
        signal,
        lane: 'lease',
        timeoutMs: this.#timing.renewDeadlineMs,
      }),
    )) as RawLease | undefined;
    if (current !== undefined && !(await this.#mayTake(current.spec ?? {}, signal))) return false;
    const body = {
      apiVersion: LEASE.apiVersion,
      kind: LEASE.kind,
      metadata: { ...at, resourceVersion: current?.metadata.resourceVersion },
      spec: this.#spec(current?.spec),
    };
    const write =
      current === undefined
        ? ({ method: 'POST', path: resourcePath(LEASE, { namespace }) } as const)
        : ({ method: 'PUT', path: resourcePath(LEASE, at) } as const);
    const sentAt = this.#clock.monotonic();
    await client.request({ ...write, body, signal, lane: 'lease', timeoutMs: this.#timing.renewDeadlineMs });
    this.#renewedAt = sentAt;
    this.#observed = { text: JSON.stringify(body.spec), at: this.#clock.monotonic() };
    return body.spec.holderIdentity === identity;
  }

  async #mayTake(spec: LeaseSpec, signal: AbortSignal): Promise<boolean> {
    const { identity, isGone } = this.#options;
    const unchangedMs = this.#observe(JSON.stringify(spec));
    const holder = spec.holderIdentity ?? '';
    if (holder === '' || holder === identity) return true;
    const durationMs = (spec.leaseDurationSeconds ?? this.#timing.durationMs / 1000) * 1000;
    if (unchangedMs >= durationMs) return true;
    // Whoever renews is there.
    return unchangedMs > 0 && (await isGone?.(holder, signal)) === true;
  }

  /** How long we have seen this text; 0 where it is news. */
  #observe(text: string): number {
    const now = this.#clock.monotonic();
    if (this.#observed?.text === text) return now - this.#observed.at;
    this.#observed = { text, at: now };
    return 0;
  }

  #spec(current: LeaseSpec = {}): Required<LeaseSpec> {
    const { identity } = this.#options;
    const now = microTime(this.#clock.now());
    const renewed = current.holderIdentity === identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.max(1, Math.ceil(this.#timing.durationMs / 1000)),
      acquireTime: renewed ? (current.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (current.leaseTransitions ?? 0) + (renewed ? 0 : 1),
    };
  }

  /** Gives the Lease back at the end, so that the next leader need not wait. */
  async #release(): Promise<void> {
    const { client, namespace, name, identity, log } = this.#options;
    const path = resourcePath(LEASE, { namespace, name });
    try {
      const current = (await client.request({ path, lane: 'lease', timeoutMs: 2_000 })) as RawLease;
      if (current.spec?.holderIdentity !== identity) return;
      const spec = {
        ...current.spec,
        holderIdentity: '',
        leaseDurationSeconds: 1,
        renewTime: microTime(this.#clock.now()),
      };
      await client.request({
        method: 'PUT',
        path,
        body: { ...current, spec },
        lane: 'lease',
        timeoutMs: 2_000,
      });
    } catch (thrown) {
      log.warn(
        { err: MeshError.from(thrown), lease: name },
        'could not give the lease back; it runs out by itself',
      );
    }
  }
}

/** `MicroTime` of the API: RFC 3339 with six digits. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}
