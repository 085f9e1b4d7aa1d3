import { spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { MeshError, type Logger } from '../../base/index.js';
import { passOn } from './front-log.js';

/** A front that was started. */
export interface Front {
  /** Of the process, where it is one. */
  readonly pid?: number;
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
 * child reads no environment, and ends when its end of the socket does. What it writes goes to the log.
 */
export function frontProgram(path: string, log: Logger): StartFront {
  return () => {
    const child = spawn(path, ['front'], {
      stdio: ['ignore', 'inherit', 'pipe', 'pipe'],
      env: {},
      // What a terminal sends to a program, such as Ctrl-C, is for the control plane, which ends the front in good order.
      detached: true,
    });
    const [, , , socket] = child.stdio;
    const said = child.stderr;
    if (!(socket instanceof Duplex) || said === null)
      throw new MeshError('internal', `${path} has no socket`);
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(`${path} cannot be started: ${error.message}`));
      child.once('exit', (code, signal) => {
        const told = (): void => resolve(`${path} front ended with ${signal ?? code}`);
        // Its last words say why.
        if (said.closed) told();
        else said.once('close', told);
      });
    });
    passOn(said, log);
    const { pid } = child;
    return { ...(pid === undefined ? {} : { pid }), socket, ended, kill: () => void child.kill('SIGKILL') };
  };
}
