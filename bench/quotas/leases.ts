/** How pods draw leases. */
export interface Terms {
  /** A pod asks once in so many seconds how much it may let in until it asks again. */
  readonly period: number;
  /** What the last period counts, beside those before it: requests come by chance. */
  readonly latest: number;
}

/** A lease outlives its period by so much of it: the next answer may be late. */
const GRACE = 0.5;

interface Lease {
  readonly asked: number;
  readonly granted: number;
  readonly until: number;
}

/** The replica that counts one limit: what it has granted and has not ended is never more than the limit. */
export class Owner {
  readonly #limit: number;
  readonly #terms: Terms;
  readonly #leases = new Map<number, Lease>();

  constructor(limit: number, terms: Terms) {
    this.#limit = limit;
    this.#terms = terms;
  }

  /**
   * What one of `pods` may let in a second, of which so much has been asked of it. Where all ask for less than there is they get what they ask
   * for and an even part of the rest; else each the same part of what it asks for.
   */
  lease(pod: number, pods: number, asked: number, now: number): number {
    for (const [other, { until }] of this.#leases) if (until <= now) this.#leases.delete(other);
    this.#leases.delete(pod);
    const others = [...this.#leases.values()];
    const all = others.reduce((sum, lease) => sum + lease.asked, asked);
    const fair = all <= this.#limit ? asked + (this.#limit - all) / pods : (this.#limit * asked) / all;
    const free = this.#limit - others.reduce((sum, lease) => sum + lease.granted, 0);
    const granted = Math.max(0, Math.min(fair, free));
    this.#leases.set(pod, { asked, granted, until: now + this.#terms.period * (1 + GRACE) });
    return granted;
  }
}

/** What one pod holds of a limit. */
export class Holder {
  /** Requests since it asked last. */
  asked = 0;
  /** When it asks next: for the first time at once. */
  due: number;
  /** Requests a second, most of all of late. */
  #usual: number | undefined;
  #granted: { readonly rate: number; readonly until: number } | undefined;

  readonly #terms: Terms;

  constructor(since: number, terms: Terms) {
    this.due = since;
    this.#terms = terms;
  }

  /** Asks for as much as has come since it asked last; nobody answers where there is no owner. */
  renew(owner: Owner | undefined, pod: number, pods: number): void {
    const { period, latest } = this.#terms;
    const [came, now] = [this.asked / period, this.due];
    const asked = (this.#usual ?? came) * (1 - latest) + came * latest;
    this.#usual = asked;
    this.asked = 0;
    this.due += period;
    if (owner === undefined) return;
    this.#granted = { rate: owner.lease(pod, pods, asked, now), until: now + period * (1 + GRACE) };
  }

  /** What it may let in a second: without a lease its share among the pods. */
  rate(now: number, share: number): number {
    return this.#granted !== undefined && now < this.#granted.until ? this.#granted.rate : share;
  }
}
