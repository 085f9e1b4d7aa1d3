import type { Socket } from 'node:net';

/** No ClientHello is longer. Sockets must have this as their high-water mark: what is behind it is not read. */
export const MAX_FIRST_BYTES = 16_384;

export interface FirstBytesOptions {
  /** How long a peer may say nothing, in milliseconds. */
  readonly silenceMs: number;
  /** Told of each connection that was closed because its peer did not begin to speak, or spoke without end. */
  readonly refused: (why: 'silent' | 'too-much') => void;
}

/**
 * Calls `begun` when the peer of a new, paused connection has sent its first bytes, which stay in the socket for whoever
 * reads it next. A peer that only connects costs an open socket, and never takes the turn of one that speaks. Until
 * `stopFirstBytes` a peer that goes is noticed: it may have waited for longer than we know.
 */
export function awaitFirstBytes(socket: Socket, options: FirstBytesOptions, begun: () => void): void {
  const silent = setTimeout(() => {
    options.refused('silent');
    socket.destroy();
  }, options.silenceMs).unref();
  let heard = 0;
  const look = (): void => {
    const before = heard;
    heard = socket.readableLength;
    if (heard >= MAX_FIRST_BYTES) options.refused('too-much');
    // Readable without more bytes is the end.
    if (heard === before || heard >= MAX_FIRST_BYTES) {
      socket.destroy();
    } else if (before === 0) {
      clearTimeout(silent);
      begun();
    }
  };
  socket.once('close', () => clearTimeout(silent));
  socket.on('readable', look);
}

/** Leaves the socket to whoever reads it from now on. */
export function stopFirstBytes(socket: Socket): void {
  socket.removeAllListeners('readable');
}
