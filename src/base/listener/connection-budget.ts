import type { Socket } from 'node:net';
import { RateLimit } from '../rate-limit.js';
import { canonicalAddress } from './address.js';

/** How many connections a port takes. What is over is closed at once, before a byte of it is read. */
export interface ConnectionLimits {
  /** At once, those that wait for their handshake included. */
  readonly total: number;
  /** At once from one address. */
  readonly perAddress: number;
  /** New ones from one address: so many at once, then one every `everyMs` milliseconds. */
  readonly newPerAddress: { readonly burst: number; readonly everyMs: number };
}

/** Why a connection was closed at once. */
export type ConnectionRefusal = 'total' | 'per-address' | 'rate';

/** Counts the connections of a port, in all and for each address. */
export class ConnectionBudget {
  readonly #limits: ConnectionLimits;
  readonly #rate: RateLimit;
  readonly #perAddress = new Map<string, number>();
  #total = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
    this.#rate = new RateLimit(limits.newPerAddress);
  }

  /** Connections that are open. */
  get size(): number {
    return this.#total;
  }

  /** Counts a new connection until it closes; or says why it may not be, and then it has to be closed. */
  enter(socket: Socket): ConnectionRefusal | undefined {
    const address = addressOf(socket);
    const same = this.#perAddress.get(address) ?? 0;
    if (same >= this.#limits.perAddress) return 'per-address';
    if (this.#total >= this.#limits.total) return 'total';
    if (!this.#rate.take(address, performance.now())) return 'rate';
    this.#total += 1;
    this.#perAddress.set(address, same + 1);
    socket.once('close', () => this.#leave(address));
    return undefined;
  }

  #leave(address: string): void {
    this.#total -= 1;
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(address, left);
    else this.#perAddress.delete(address);
  }
}

/** The peer's address in the one form in which addresses are compared. */
export function addressOf(socket: { readonly remoteAddress?: string | undefined }): string {
  return canonicalAddress(socket.remoteAddress ?? '') ?? 'unknown';
}
