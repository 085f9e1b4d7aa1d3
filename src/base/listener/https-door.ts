import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { FrontDoor, type FrontDoorOptions } from './front-door.js';

/**
 * Puts our budget and gate between the new connections of an HTTPS server, made with `DOOR_SOCKETS` and not listening yet, and its
 * handshakes. Close the door with the server.
 */
export function standBefore(server: Server, options: FrontDoorOptions): FrontDoor {
  const handshakes = server.listeners('connection') as ((socket: Socket) => void)[];
  const door = new FrontDoor(options, (socket) => {
    for (const handshake of handshakes) handshake.call(server, socket);
  });
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => door.enter(socket));
  server.on('secureConnection', (socket: TLSSocket) => door.done(socket));
  return door;
}
