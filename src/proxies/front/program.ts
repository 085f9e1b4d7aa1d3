import { spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { MeshError } from '../../base/index.js';

/** A front that was started. */
export interface Front {
  readonly socket: Duplex;
  /** Settles when it has ended, with how it did. */
  readonly ended: Promise<string>;
  /** Ends it at once. */
  kill(): void;
}

/** Starts a front. */
export type StartFront = () => Front;

/**
 * Starts `weft-proxy front` as a child. The socket is one of a pair, which has no name: nobody but the two can have an end of it. The
 * child reads no environment, and ends when its end of the socket does.
 */
export function frontProgram(path: string): StartFront {
  return () => {
    const child = spawn(path, ['front'], {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
      env: {},
      // What a terminal sends to a program, such as Ctrl-C, is for the control plane, which ends the front in good order.
      detached: true,
    });
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(`${path} cannot be started: ${error.message}`));
      child.once('exit', (code, signal) => resolve(`${path} front ended with ${signal ?? code}`));
    });
    const socket = child.stdio[3];
    if (!(socket instanceof Duplex)) throw new MeshError('internal', `${path} has no socket`);
    return { socket, ended, kill: () => void child.kill('SIGKILL') };
  };
}
