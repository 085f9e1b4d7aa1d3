import { GrpcCode, GrpcError } from './status.js';

const PREFIX = 5;

/** One gRPC message as it goes over the wire: a flag byte, four bytes of length, the parts one after the other. */
export function frame(parts: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = Buffer.allocUnsafe(PREFIX + length);
  out[0] = 0;
  out.writeUInt32BE(length, 1);
  let offset = PREFIX;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Cuts a byte stream, however it was chunked, into gRPC messages. */
export class FrameReader {
  readonly #maxMessageBytes: number;
  #chunks: Buffer[] = [];
  #held = 0;
  #need = PREFIX;
  #inBody = false;

  /** A longer message throws RESOURCE_EXHAUSTED as soon as its length is known. */
  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** Bytes of an unfinished message are waiting: an end of stream here cuts a message in two. */
  get pending(): boolean {
    return this.#inBody || this.#held > 0;
  }

  /** Takes bytes in; `next` cuts messages out of them. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
  }

  /** The next message, or undefined until more bytes have come. */
  next(): Buffer | undefined {
    while (this.#held >= this.#need) {
      const bytes = this.#take(this.#need);
      this.#inBody = !this.#inBody;
      this.#need = this.#inBody ? this.#bodyLength(bytes) : PREFIX;
      if (!this.#inBody) return bytes;
    }
    return undefined;
  }

  #bodyLength(prefix: Buffer): number {
    if (prefix[0] !== 0) {
      throw new GrpcError(
        GrpcCode.unimplemented,
        'compressed messages are not supported; send grpc-encoding: identity',
      );
    }
    const length = prefix.readUInt32BE(1);
    if (length > this.#maxMessageBytes) {
      throw new GrpcError(
        GrpcCode.resourceExhausted,
        `message of ${length} bytes; the limit is ${this.#maxMessageBytes}`,
      );
    }
    return length;
  }

  #take(length: number): Buffer {
    const first = this.#chunks[0];
    const all =
      this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#held);
    const rest = all.subarray(length);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#held = rest.length;
    return all.subarray(0, length);
  }
}
