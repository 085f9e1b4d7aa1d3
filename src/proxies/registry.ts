import { GrpcCode, GrpcError } from '../grpc/index.js';
import type { AdmittedStream, ProxyStream } from './service.js';

/** The proxies that are connected to one service: a pod has one stream, and the newest is the one. */
export class Registry {
  readonly #streams = new Map<string, ProxyStream>();

  /** Ends the stream that the pod had before. */
  enter({ uid, stream }: AdmittedStream): void {
    const before = this.#streams.get(uid);
    this.#streams.set(uid, stream);
    const leave = (): void => {
      if (this.#streams.get(uid) === stream) this.#streams.delete(uid);
    };
    stream.signal.addEventListener('abort', leave, { once: true });
    before?.fail(
      new GrpcError(GrpcCode.aborted, 'a newer stream of the same pod takes the place of this one'),
    );
  }
}
