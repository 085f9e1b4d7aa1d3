import type { ListenerMetrics } from '../../base/listener/index.js';
import type { Outcome } from '../review.js';
import type { ReviewMetrics } from '../review-metrics.js';

type Refusal = Parameters<ListenerMetrics['refused']['inc']>[0];

/** What the webhook has counted since the last time, as it travels between threads. */
export interface Counts {
  readonly answered: readonly { readonly outcome: Outcome['kind']; readonly milliseconds: number }[];
  /** By the code of the reason. */
  readonly skipped: ReadonlyMap<string, number>;
  readonly refused: readonly (Refusal & { readonly times: number })[];
  /** Connections that are open. */
  readonly connections: number;
}

/** Counts where there is no registry of metrics: a registry belongs to the thread that is scraped. */
export class Tally implements ReviewMetrics {
  #answered: Counts['answered'][number][] = [];
  #skipped = new Map<string, number>();
  readonly #refused = new Map<string, Refusal & { times: number }>();
  #connections: () => number = () => 0;

  answered(outcome: Outcome['kind'], milliseconds: number): void {
    this.#answered.push({ outcome, milliseconds });
  }

  readonly skipped = (code: string): void => {
    this.#skipped.set(code, (this.#skipped.get(code) ?? 0) + 1);
  };

  /** The metrics of the port. */
  readonly listeners: ListenerMetrics = {
    refused: {
      inc: (refusal) => {
        const key = `${refusal.listener} ${refusal.reason}`;
        const counted = this.#refused.get(key) ?? { ...refusal, times: 0 };
        counted.times += 1;
        this.#refused.set(key, counted);
      },
    },
    watch: (_listener, connections) => {
      this.#connections = connections;
    },
  };

  /** All that was counted, and begins again. */
  take(): Counts {
    const counts: Counts = {
      answered: this.#answered,
      skipped: this.#skipped,
      refused: [...this.#refused.values()],
      connections: this.#connections(),
    };
    this.#answered = [];
    this.#skipped = new Map();
    this.#refused.clear();
    return counts;
  }
}
