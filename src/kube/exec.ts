import { PassThrough, Writable } from 'node:stream';
import { createInterface } from 'node:readline';
import type { RequestOptions } from 'node:https';
import { Exec, type KubeConfig, type V1Status } from '@kubernetes/client-node';
import { MeshError, type ErrorCode } from '../base/index.js';

/** A command to run in a container that runs. */
export interface ExecRequest {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
  /** What the command reads first; its standard input stays open until whoever reads its lines leaves. */
  readonly input: string;
  readonly signal?: AbortSignal | undefined;
  /** How long the API server may take to connect us. Default 10 s. */
  readonly timeoutMs?: number;
  /** What the command may say in all, for one that is to answer and end; more is an error. Without it only what waits to be read is limited. */
  readonly maxBytes?: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** What of it may wait to be read: a command may run for long, and lines that were read do not count. */
const MAX_UNREAD_BYTES = 64 * 1024 * 1024;
const MAX_STDERR_BYTES = 4 * 1024;

/** As much of a WebSocket as is used; the library has no types for it here. */
interface Socket {
  readonly readyState: number;
  onclose: (() => void) | null;
  close(): void;
}
const CLOSING = 2;

/**
 * The lines that a command writes, as it writes them. Ends with the command, and throws where that fails; ends the command, by closing
 * its standard input, when its reader leaves.
 */
export async function* execLines(
  config: KubeConfig,
  request: ExecRequest,
): AsyncGenerator<string, void, undefined> {
  const { namespace, pod, container, command, input } = request;
  const stdin = new PassThrough();
  const stdout = new PassThrough({ highWaterMark: MAX_UNREAD_BYTES });
  const errors = new Kept(MAX_STDERR_BYTES);
  let status: V1Status | undefined;
  const limit = request.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const opening = new Exec(timed(config, limit)).exec(
    namespace,
    pod,
    container,
    [...command],
    bounded(stdout, request.maxBytes),
    errors,
    stdin,
    false,
    (said) => (status = said),
  ) as Promise<Socket>;
  const socket = await opened(opening, request);
  socket.onclose = (): void => void stdout.end();
  if (socket.readyState >= CLOSING) stdout.end();
  const stop = (): void => {
    socket.close();
    // Whoever has stopped does not wait for the other end to say goodbye.
    stdout.end();
  };
  request.signal?.addEventListener('abort', stop, { once: true });
  if (request.signal?.aborted === true) stop();
  stdin.write(input);
  try {
    yield* createInterface({ input: stdout, crlfDelay: Infinity });
  } finally {
    request.signal?.removeEventListener('abort', stop);
    socket.close();
  }
  if (request.signal?.aborted === true) throw new MeshError('aborted', `${placeOf(request)}: stopped`);
  demandSuccess(status, errors.text, request);
}

/** Whole texts only: an answer that is longer than anybody reads is cut off with an error. */
function bounded(stdout: PassThrough, most = Infinity): Writable {
  let bytes = 0;
  return new Writable({
    write(chunk: Buffer, _encoding, done): void {
      bytes += chunk.length;
      if (bytes > most) stdout.destroy(new MeshError('internal', `the command said more than ${most} bytes`));
      else if (stdout.readableLength > MAX_UNREAD_BYTES)
        stdout.destroy(new MeshError('internal', `more than ${MAX_UNREAD_BYTES} bytes wait to be read`));
      else if (!stdout.writableEnded) stdout.write(chunk);
      done();
    },
    final(done): void {
      stdout.end();
      done();
    },
  });
}

/** The first bytes of what is written. */
class Kept extends Writable {
  text = '';
  readonly #most: number;

  constructor(most: number) {
    super();
    this.#most = most;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text = (this.text + chunk.toString('utf8')).slice(0, this.#most);
    done();
  }
}

async function opened(opening: Promise<Socket>, request: ExecRequest): Promise<Socket> {
  try {
    return await opening;
  } catch (thrown) {
    throw refused(thrown, request);
  }
}

/** The same configuration for connections that give up in time: the library has no option for that, the WebSocket below it has. */
function timed(config: KubeConfig, handshakeTimeout: number): KubeConfig {
  const applyToHTTPSOptions = async (options: RequestOptions): Promise<void> => {
    await config.applyToHTTPSOptions(options);
    Object.assign(options, { handshakeTimeout });
  };
  return Object.assign(Object.create(config) as KubeConfig, { applyToHTTPSOptions });
}

/** The library tells the status only in its text. */
function refused(thrown: unknown, request: ExecRequest): MeshError {
  const text = messageOf(thrown);
  if (text.includes('handshake has timed out'))
    return new MeshError('timeout', `${placeOf(request)}: the API server did not connect us in time`, {
      cause: thrown,
    });
  const status = Number(/Unexpected server response: (\d+)/.exec(text)?.[1] ?? 0);
  const [code, why] = WHY[status] ?? (['unavailable', text] as const);
  return new MeshError(code, `${placeOf(request)}: ${why}`, { cause: thrown });
}

const WHY: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  400: ['precondition', 'the container is not running'],
  401: ['unauthenticated', 'the API server does not know who asks; sign in again'],
  403: ['permission-denied', 'RBAC does not allow it: it needs get and create on pods/exec'],
  404: ['not-found', 'there is no such pod'],
  500: ['unavailable', 'the kubelet could not be reached, or the container is not running'],
};

function messageOf(thrown: unknown): string {
  const told = thrown as { readonly message?: unknown } | null;
  return typeof told?.message === 'string' && told.message !== ''
    ? told.message
    : 'the connection could not be established';
}

function demandSuccess(status: V1Status | undefined, errors: string, request: ExecRequest): void {
  if (status?.status === 'Success') return;
  const said = errors.trim();
  if (status === undefined)
    throw new MeshError('unavailable', `${placeOf(request)}: the connection broke off${said && `: ${said}`}`);
  throw new MeshError('precondition', `${placeOf(request)}: ${said || status.message || 'it failed'}`);
}

function placeOf({ namespace, pod, container }: ExecRequest): string {
  return `pod ${namespace}/${pod}, container ${container}`;
}
