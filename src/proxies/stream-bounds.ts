import { GrpcCode, GrpcError } from '../grpc/index.js';
import type { ProxyStream } from './service.js';

/** How many streams may be open at once for one key. */
export interface StreamLimits {
  /** For one client certificate, and for one address where addresses belong to pods. A proxy has one, and one beside it while it reconnects. */
  readonly perCertificate: number;
  readonly perAddress: number;
}

export const DEFAULT_STREAM_LIMITS: StreamLimits = { perCertificate: 4, perAddress: 8 };

/** Refuses streams above the limits before anything is kept for them; each is counted out when it ends. */
export class StreamBounds {
  readonly #limits: StreamLimits;
  readonly #open = new Map<string, number>();

  constructor(limits: StreamLimits) {
    this.#limits = limits;
  }

  /** Throws where the peer has too many open streams already. */
  enter({ peer, signal }: Pick<ProxyStream, 'peer' | 'signal'>): void {
    const { perCertificate, perAddress } = this.#limits;
    const keys = [
      {
        key: `certificate ${peer.certificate?.fingerprint256 ?? ''}`,
        limit: perCertificate,
        of: 'certificate',
      },
      { key: `address ${peer.address}`, limit: perAddress, of: 'address' },
    ];
    for (const { key, limit, of } of keys) {
      if ((this.#open.get(key) ?? 0) < limit) continue;
      throw new GrpcError(GrpcCode.resourceExhausted, `more than ${limit} streams of one ${of}`);
    }
    for (const { key } of keys) this.#open.set(key, (this.#open.get(key) ?? 0) + 1);
    const leave = (): void => {
      for (const { key } of keys) this.#leave(key);
    };
    signal.addEventListener('abort', leave, { once: true });
  }

  #leave(key: string): void {
    const left = (this.#open.get(key) ?? 0) - 1;
    if (left > 0) this.#open.set(key, left);
    else this.#open.delete(key);
  }
}
