import type { Socket } from 'node:net';

export interface HandshakeGateOptions {
  /** Handshakes under way at once, without those that have become slow. */
  readonly limit: number;
  /** Of those, at most so many from one address: one peer that never finishes cannot hold everybody up. */
  readonly limitPerAddress: number;
  /** How long a connection may wait, in milliseconds: less than its peer does, which comes back after a pause. */
  readonly maxWaitMs: number;
  /** After so many milliseconds a handshake waits for its peer and not for us, and others need not wait for it. */
  readonly slowMs: number;
  /** Told of each connection that was closed instead of being admitted. */
  readonly refused?: (why: 'waited-too-long') => void;
}

/** While connections keep arriving, a handshake begins after so many of them: those in the kernel's line may be given up already. */
const ARRIVALS_FIRST = 32;
/** Connections that are closed in one turn of the event loop: thousands may have waited too long at the same moment. */
const CLOSED_PER_TURN = 256;
const SWEEP_MS = 250;

interface Handshake {
  readonly socket: Socket;
  readonly address: string;
  readonly since: number;
}

/**
 * Lets TCP connections through to the TLS handshake one by one. A turn of the event loop begins one handshake, so that in
 * a storm of thousands everything else that the thread serves waits for one piece of that work and not for many; and it
 * begins none while connections are still arriving, so that who came first is known. Addresses take turns, and
 * those of one address go in order: whoever sends a thousand connections waits for itself, and for nobody else.
 */
export class HandshakeGate {
  readonly #options: HandshakeGateOptions;
  readonly #admit: (socket: Socket) => void;
  /** Sockets that wait and since when, by address; the address whose turn is next comes first. */
  readonly #waiting = new Map<string, Map<Socket, number>>();
  /** By address and port of the peer, the oldest first. */
  readonly #active = new Map<string, Handshake>();
  readonly #perAddress = new Map<string, number>();
  readonly #sweeping: NodeJS.Timeout;
  #turn: NodeJS.Immediate | undefined;
  #isClosed = false;
  /** A connection came in this turn of the event loop; and how many came since a handshake began. */
  #hasArrived = false;
  #arrivals = 0;

  /** `admit` starts the handshake of a socket. */
  constructor(options: HandshakeGateOptions, admit: (socket: Socket) => void) {
    this.#options = options;
    this.#admit = admit;
    const { maxWaitMs, slowMs } = options;
    this.#sweeping = setInterval(() => this.#sweep(), Math.min(SWEEP_MS, maxWaitMs, slowMs)).unref();
  }

  /** A new connection whose peer has begun to speak, and has waited since it was accepted. */
  enter(socket: Socket, since = performance.now()): void {
    const key = keyOf(socket);
    const address = socket.remoteAddress ?? '';
    if (key === undefined || this.#isClosed) {
      socket.destroy();
      return;
    }
    const queue = this.#waiting.get(address) ?? new Map<Socket, number>();
    queue.set(socket, since);
    this.#waiting.set(address, queue);
    socket.once('close', () => {
      this.#leave(address, socket);
      this.#release(key);
    });
    this.#hasArrived = true;
    this.#arrivals += 1;
    this.#schedule();
  }

  /** The handshake has succeeded. `socket` may be the TLS socket: both know the peer's address and port. */
  done(socket: Socket): void {
    const key = keyOf(socket);
    if (key !== undefined) this.#release(key);
  }

  /** Drops everybody who still waits for a handshake, or is in one. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#sweeping);
    clearImmediate(this.#turn);
    const waiting = [...this.#waiting.values()].flatMap((queue) => [...queue.keys()]);
    for (const socket of waiting) socket.destroy();
    for (const { socket } of [...this.#active.values()]) socket.destroy();
  }

  #leave(address: string, socket: Socket): void {
    const queue = this.#waiting.get(address);
    if (queue?.delete(socket) === true && queue.size === 0) this.#waiting.delete(address);
  }

  #release(key: string): void {
    const handshake = this.#active.get(key);
    if (handshake === undefined) return;
    this.#active.delete(key);
    const left = (this.#perAddress.get(handshake.address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(handshake.address, left);
    else this.#perAddress.delete(handshake.address);
    this.#schedule();
  }

  /** Looks once more in the next turn of the event loop. */
  #schedule(): void {
    if (this.#turn !== undefined || this.#waiting.size === 0 || this.#isClosed) return;
    this.#turn = setImmediate(() => {
      this.#turn = undefined;
      this.#next();
    });
  }

  #next(): void {
    const hasArrived = this.#hasArrived;
    this.#hasArrived = false;
    const isWaiting = hasArrived && this.#arrivals < ARRIVALS_FIRST;
    if (isWaiting || this.#begin(performance.now())) this.#schedule();
  }

  /** Begins the handshake of the address whose turn it is; false: nobody who waits may begin one now. */
  #begin(now: number): boolean {
    if (this.#active.size >= this.#options.limit) return false;
    for (const [address, queue] of this.#waiting) {
      const same = this.#perAddress.get(address) ?? 0;
      const [socket] = queue.keys();
      const key = socket === undefined ? undefined : keyOf(socket);
      if (socket === undefined || key === undefined || same >= this.#options.limitPerAddress) continue;
      // To the back of the line.
      this.#waiting.delete(address);
      queue.delete(socket);
      if (queue.size > 0) this.#waiting.set(address, queue);
      this.#active.set(key, { socket, address, since: now });
      this.#perAddress.set(address, same + 1);
      this.#arrivals = 0;
      this.#admit(socket);
      return true;
    }
    return false;
  }

  #sweep(): void {
    const now = performance.now();
    for (const [key, { since }] of this.#active) {
      if (since > now - this.#options.slowMs) break;
      this.#release(key);
    }
    this.#closeLate(now - this.#options.maxWaitMs);
  }

  #closeLate(before: number): void {
    const late: Socket[] = [];
    for (const queue of this.#waiting.values()) {
      for (const [socket, since] of queue) {
        if (since > before) break;
        late.push(socket);
      }
      if (late.length >= CLOSED_PER_TURN) break;
    }
    for (const socket of late) {
      this.#options.refused?.('waited-too-long');
      socket.destroy();
    }
    if (late.length >= CLOSED_PER_TURN) setImmediate(() => this.#closeLate(before));
  }
}

/** Address and port of the peer; a socket remembers them after its end once they were read. */
function keyOf(socket: Socket): string | undefined {
  const { remoteAddress, remotePort } = socket;
  return remoteAddress === undefined || remotePort === undefined
    ? undefined
    : `${remoteAddress}|${remotePort}`;
}
