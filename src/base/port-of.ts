import type { Server } from 'node:net';

/** The port that a server listens on, which it chose itself where it was asked for port 0; 0 while it does not listen. */
export function portOf(server: Pick<Server, 'address'>): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
