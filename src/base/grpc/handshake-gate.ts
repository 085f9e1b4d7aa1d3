import type { Socket } from 'node:net';

export interface HandshakeGateOptions {
  /** Handshakes under way at once. A storm of thousands would otherwise block the event loop for seconds. */
  readonly limit: number;
  /** Of those, at most so many from one address: one peer that never finishes cannot hold everybody up. */
  readonly limitPerAddress: number;
  /** Connections that may wait; more are closed at once. */
  readonly maxWaiting: number;
}

/** Lets TCP connections through to the TLS handshake a few at a time, in order, and fairly between addresses. */
export class HandshakeGate {
  readonly #options: HandshakeGateOptions;
  readonly #admit: (socket: Socket) => void;
  readonly #waiting = new Set<Socket>();
  readonly #active = new Map<string, Socket>();
  readonly #perAddress = new Map<string, number>();

  /** `admit` starts the handshake of a socket. */
  constructor(options: HandshakeGateOptions, admit: (socket: Socket) => void) {
    this.#options = options;
    this.#admit = admit;
  }

  /** A new connection, paused. It is closed at once when too many wait already. */
  enter(socket: Socket): void {
    const key = keyOf(socket);
    socket.on('error', () => socket.destroy());
    if (key === undefined || this.#waiting.size >= this.#options.maxWaiting) {
      socket.destroy();
      return;
    }
    this.#waiting.add(socket);
    socket.once('close', () => {
      this.#waiting.delete(socket);
      this.#release(key);
    });
    this.#fill();
  }

  /** The handshake has succeeded. `socket` may be the TLS socket: both know the peer's address and port. */
  done(socket: Socket): void {
    const key = keyOf(socket);
    if (key !== undefined) this.#release(key);
  }

  /** Drops everybody who still waits for a handshake. */
  close(): void {
    for (const socket of [...this.#waiting, ...this.#active.values()]) socket.destroy();
  }

  #release(key: string): void {
    const socket = this.#active.get(key);
    if (socket === undefined) return;
    this.#active.delete(key);
    const address = socket.remoteAddress ?? '';
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(address, left);
    else this.#perAddress.delete(address);
    this.#fill();
  }

  #fill(): void {
    for (const socket of this.#waiting) {
      if (this.#active.size >= this.#options.limit) return;
      const key = keyOf(socket);
      const address = socket.remoteAddress ?? '';
      const same = this.#perAddress.get(address) ?? 0;
      if (key === undefined || same >= this.#options.limitPerAddress) continue;
      this.#waiting.delete(socket);
      this.#active.set(key, socket);
      this.#perAddress.set(address, same + 1);
      this.#admit(socket);
    }
  }
}

/** Address and port of the peer; a socket remembers them after its end once they were read. */
function keyOf(socket: Socket): string | undefined {
  const { remoteAddress, remotePort } = socket;
  return remoteAddress === undefined || remotePort === undefined
    ? undefined
    : `${remoteAddress}|${remotePort}`;
}
