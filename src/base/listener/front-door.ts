import type { Socket } from 'node:net';
import { ConnectionBudget, type ConnectionLimits } from './connection-budget.js';
import { MAX_FIRST_BYTES, awaitFirstBytes, stopFirstBytes } from './first-bytes.js';
import { HandshakeGate } from './handshake-gate.js';
import type { ListenerMetrics } from './listener-metrics.js';

export interface FrontDoorOptions {
  /** Name of the port in metrics. */
  readonly name: string;
  readonly limits: ConnectionLimits;
  /** TLS handshakes at once, of which a quarter from one address. Default 16. */
  readonly maxHandshakes?: number | undefined;
  readonly metrics?: ListenerMetrics | undefined;
}

/** How a server behind a door accepts: paused, because the door says when and how far a socket is read. */
export const DOOR_SOCKETS = { pauseOnConnect: true, highWaterMark: MAX_FIRST_BYTES, noDelay: true } as const;

/**
 * Since it was accepted. Proxies give up a handshake after 5 s, of which a storm takes the rest: until a connection is accepted, and until
 * all those are closed that have waited for as long. Who is sent away sooner comes back, and is not served when it is gone.
 */
const MAX_WAIT_MS = 3_750;
/** A client speaks as soon as it is connected. */
const SILENCE_MS = 3_000;
/** A handshake takes two round trips and a few milliseconds. */
const SLOW_MS = 100;

/** What every connection to a TLS port passes before its handshake: the budget of connections, its first bytes, the gate. */
export class FrontDoor {
  readonly #budget: ConnectionBudget;
  readonly #gate: HandshakeGate;
  readonly #refused: (reason: string) => void;
  /** Whose first bytes have not come. */
  readonly #silent = new Set<Socket>();

  /** `admit` starts the handshake of a socket, which must have been accepted as `DOOR_SOCKETS` says. */
  constructor(
    { name, limits, maxHandshakes = 16, metrics }: FrontDoorOptions,
    admit: (socket: Socket) => void,
  ) {
    this.#refused = (reason) => metrics?.refused.inc({ listener: name, reason });
    this.#budget = new ConnectionBudget(limits);
    metrics?.watch(name, () => this.#budget.size);
    this.#gate = new HandshakeGate(
      {
        limit: maxHandshakes,
        limitPerAddress: Math.max(1, Math.floor(maxHandshakes / 4)),
        maxWaitMs: MAX_WAIT_MS,
        slowMs: SLOW_MS,
        refused: this.#refused,
      },
      (socket) => {
        stopFirstBytes(socket);
        admit(socket);
      },
    );
  }

  enter(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    const refusal = this.#budget.enter(socket);
    if (refusal === undefined) {
      const accepted = performance.now();
      this.#silent.add(socket);
      socket.once('close', () => this.#silent.delete(socket));
      awaitFirstBytes(socket, { silenceMs: SILENCE_MS, refused: this.#refused }, () => {
        this.#silent.delete(socket);
        this.#gate.enter(socket, accepted);
      });
    } else {
      this.#refused(refusal);
      socket.destroy();
    }
  }

  /** The handshake has succeeded. */
  done(socket: Socket): void {
    this.#gate.done(socket);
  }

  /** Drops everybody who still waits for a handshake. */
  close(): void {
    for (const socket of this.#silent) socket.destroy();
    this.#gate.close();
  }
}
