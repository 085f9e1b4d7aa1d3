import { memberNumber, memberSum, type MemberSum } from '../base/index.js';

/** What the control plane distributes. */
export interface TrustInUse {
  /** Fingerprints (SHA-256, hexadecimal), the newest root first. */
  readonly roots: readonly string[];
  /** Identifier of the key that signs certificates, in hexadecimal. */
  readonly issuer: string;
}

/** What a connected proxy shows of its trust. */
export interface ProxyTrust {
  readonly uid: string;
  /** `<namespace>/<name>`. */
  readonly pod: string;
  /** What it says that it trusts; empty: it does not say. */
  readonly roots: readonly string[];
  /** Identifier of the key that signed the certificate which it has shown; it has proven that. */
  readonly issuer: string | undefined;
}

/**
 * How the proxies of one replica stand to what it distributes. The sums are of pods that run, so that those of all replicas can be
 * compared with what the cluster has; the numbers are of all that are connected.
 */
export interface TrustStanding extends TrustInUse {
  readonly proxies: MemberSum;
  /** Those that trust the newest root. */
  readonly trusting: MemberSum;
  /** Those that have a certificate of the issuer. */
  readonly certified: MemberSum;
  /** How many say what they trust, and the newest root is not in it. */
  readonly lacking: number;
  /** How many have a certificate of another issuer. */
  readonly uncertified: number;
  /** Of how many it is not known what they trust. */
  readonly silent: number;
  /** How many trust a root that is no longer distributed. */
  readonly holding: number;
  /** Some that are behind. */
  readonly behind: readonly Straggler[];
}

export interface Straggler {
  readonly pod: string;
  readonly lacks: 'root' | 'certificate' | 'removal';
}

const MAX_STRAGGLERS = 10;

interface Entry extends ProxyTrust {
  readonly number: bigint;
}

/** Counts what connected proxies trust, and what their certificates are under. A pod counts once, as its newest stream. */
export class TrustTally {
  readonly #proxies = new Map<string, Entry>();
  readonly #runs: (proxy: ProxyTrust) => boolean;
  #last: { readonly of: TrustInUse; readonly standing: TrustStanding } | undefined;

  /** `runs`: whether the pod of a proxy is one of those that sums are of; say `changed` when that may have changed. */
  constructor(runs: (proxy: ProxyTrust) => boolean = () => true) {
    this.#runs = runs;
  }

  changed(): void {
    this.#last = undefined;
  }

  /** A stream of the proxy was admitted; it counts until the signal aborts. */
  enter(proxy: ProxyTrust, signal: AbortSignal): void {
    const entry = { ...proxy, number: memberNumber(proxy.uid) };
    this.#proxies.set(proxy.uid, entry);
    this.#last = undefined;
    const leave = (): void => {
      if (this.#proxies.get(proxy.uid) !== entry) return;
      this.#proxies.delete(proxy.uid);
      this.#last = undefined;
    };
    signal.addEventListener('abort', leave, { once: true });
  }

  /** Cheap while nothing changes. */
  standing(of: TrustInUse): TrustStanding {
    if (this.#last?.of !== of) this.#last = { of, standing: this.#count(of) };
    return this.#last.standing;
  }

  #count(of: TrustInUse): TrustStanding {
    const all = [...this.#proxies.values()];
    const running = new Set(all.filter(this.#runs));
    const silent = all.filter(({ roots }) => roots.length === 0);
    const trusting = all.filter(({ roots }) => of.roots[0] !== undefined && roots.includes(of.roots[0]));
    const lacking = without(all, [...silent, ...trusting]);
    const certified = all.filter(({ issuer }) => issuer === of.issuer);
    const uncertified = without(all, certified);
    const holding = all.filter(({ roots }) => roots.some((root) => !of.roots.includes(root)));
    const sum = (entries: readonly Entry[]): MemberSum =>
      memberSum(entries.filter((entry) => running.has(entry)).map(({ number }) => number));
    return {
      ...of,
      proxies: sum(all),
      trusting: sum(trusting),
      certified: sum(certified),
      lacking: lacking.length,
      uncertified: uncertified.length,
      silent: silent.length,
      holding: holding.length,
      behind: [
        ...lacking.map(({ pod }) => ({ pod, lacks: 'root' as const })),
        ...uncertified.map(({ pod }) => ({ pod, lacks: 'certificate' as const })),
        ...holding.map(({ pod }) => ({ pod, lacks: 'removal' as const })),
      ].slice(0, MAX_STRAGGLERS),
    };
  }
}

function without(all: readonly Entry[], some: readonly Entry[]): readonly Entry[] {
  const left = new Set(all);
  for (const entry of some) left.delete(entry);
  return [...left];
}
