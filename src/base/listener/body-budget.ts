import type { IncomingMessage } from 'node:http';
import { addressOf } from './connection-budget.js';

export interface BodyBudgetOptions {
  /** Bytes of all bodies under way together, from their first byte until they have been worked on. */
  readonly totalBytes: number;
  /** Bytes of one body. */
  readonly maxBytes: number;
  /** How long a body may take to arrive, in milliseconds. */
  readonly timeoutMs: number;
}

/** A body that was not taken, with the HTTP status that says so. */
export class BodyRefused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'BodyRefused';
    this.status = status;
  }
}

interface Held {
  readonly address: string;
  bytes: number;
  readonly shed: (refused: BodyRefused) => void;
}

/**
 * Bounds what bodies of requests make us hold. What counts is what has arrived, not what was announced, and when it is
 * too much, the largest body of the address that holds most gives way: many who upload slowly cannot keep a small
 * request out.
 */
export class BodyBudget {
  readonly #options: BodyBudgetOptions;
  readonly #held = new Set<Held>();
  #total = 0;

  constructor(options: BodyBudgetOptions) {
    this.#options = options;
  }

  /** Bytes held at the moment. */
  get bytes(): number {
    return this.#total;
  }

  /** Reads a body and holds its bytes until `work` has settled. Throws `BodyRefused`. */
  async use<T>(request: IncomingMessage, work: (body: Buffer) => Promise<T>): Promise<T> {
    this.#judgeLength(request);
    const { promise: shed, reject } = Promise.withResolvers<never>();
    const held: Held = { address: addressOf(request.socket), bytes: 0, shed: reject };
    shed.catch(() => undefined);
    const { timeoutMs } = this.#options;
    const late = new BodyRefused(408, `the body did not arrive within ${timeoutMs} ms`);
    // The connection is what a process stays for, not this.
    const timer = setTimeout(() => reject(late), timeoutMs).unref();
    this.#held.add(held);
    try {
      const body = await Promise.race([this.#read(request, held), shed]);
      clearTimeout(timer);
      return await work(body);
    } finally {
      clearTimeout(timer);
      this.#held.delete(held);
      this.#total -= held.bytes;
    }
  }

  #judgeLength(request: IncomingMessage): void {
    const length = request.headers['content-length'];
    if (length === undefined) throw new BodyRefused(411, 'send a Content-Length');
    if (Number(length) > this.#options.maxBytes) throw this.#tooLong();
  }

  async #read(request: IncomingMessage, held: Held): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) {
      // Its bytes were given back already.
      if (!this.#held.has(held)) throw new BodyRefused(429, 'the body was given up');
      chunks.push(chunk);
      held.bytes += chunk.length;
      this.#total += chunk.length;
      if (held.bytes > this.#options.maxBytes) throw this.#tooLong();
      if (this.#total > this.#options.totalBytes) this.#shedLargest();
    }
    return Buffer.concat(chunks);
  }

  #tooLong(): BodyRefused {
    return new BodyRefused(413, `the body is longer than ${this.#options.maxBytes} bytes`);
  }

  #shedLargest(): void {
    const perAddress = new Map<string, number>();
    for (const { address, bytes } of this.#held)
      perAddress.set(address, (perAddress.get(address) ?? 0) + bytes);
    const weight = (held: Held): number => perAddress.get(held.address) ?? 0;
    const [victim] = [...this.#held].sort((a, b) => weight(b) - weight(a) || b.bytes - a.bytes);
    if (victim === undefined) return;
    this.#held.delete(victim);
    this.#total -= victim.bytes;
    victim.bytes = 0;
    victim.shed(new BodyRefused(429, 'too many bytes of requests are under way; try again'));
  }
}
