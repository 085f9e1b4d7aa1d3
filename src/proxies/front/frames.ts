// What the front and the control plane say to each other over their socket. The other end, with a table of all of it, is
// proxy/src/front/frames.rs; src/wire/front.json has bytes of each kind that both are tested with.
import { isIP } from 'node:net';
import { z } from 'zod';
import { MeshError, type LogLevel } from '../../base/index.js';
import type { ServerIdentity } from '../../grpc/index.js';

/** What both sides begin with. */
const HELLO = 'weft-front 1';
/** Bytes of one stream that may wait in the front, and the message that went over it. */
export const CREDIT = 16 * 1024;
/** The largest message of a stream before the first `readOn`. */
export const FIRST_MESSAGE_BYTES = 16 * 1024;

const HEAD = 9;
/** Of the number of the stream, behind which a frame of a message is as gRPC writes it. */
export const STREAM_BYTES = 4;
const LENGTH_AT = 5;
/** No service takes a larger request; nothing else is as large as this. */
const MAX_MESSAGE_BYTES = 1024 * 1024;
const MAX_OTHER_BYTES = 64 * 1024;
/** The front takes no larger message. */
export const MAX_SENT_BYTES = 32 * 1024 * 1024;
/** What a person reads of the end of a stream, in characters. */
const MAX_TEXT = 1_000;
const MAX_PROBLEM_BYTES = 1_024;

const Kind = {
  message: 0,
  opened: 1,
  halfClosed: 2,
  ended: 3,
  credit: 4,
  draining: 5,
  hello: 6,
  settings: 7,
  certificates: 8,
  listening: 9,
  counts: 10,
  untrusted: 11,
  beat: 12,
  taken: 13,
} as const;

/** How the front listens. */
export interface FrontSettings {
  /** Absent: every address. */
  readonly host?: string;
  /** 0 takes any that is free. */
  readonly port: number;
  readonly trustDomain: string;
  /** Many pods share an address, so that its limits are those of all. */
  readonly sharedAddresses: boolean;
  /** Of the methods that are served. */
  readonly paths: readonly string[];
  /** From which level on the front writes lines of its own. */
  readonly logLevel: LogLevel;
}

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const countsSchema = z.strictObject({
  connections: count,
  total: count,
  'per-address': count,
  rate: count,
  silent: count,
  'too-much': count,
  'waited-too-long': count,
  failed: count,
});
const untrustedSchema = z.strictObject({
  address: z.string().refine((text) => isIP(text) !== 0),
  why: z.string().max(1_024),
  times: count,
});

/** Connections at present, and what has happened since the front began. */
export type FrontCounts = z.infer<typeof countsSchema>;
/** Handshakes that failed for the client's certificate since it was said last; address and reason are those of the last one. */
export type Untrusted = z.infer<typeof untrustedSchema>;

/** What the front says. */
export type FromFront =
  | { readonly kind: 'message'; readonly stream: number; readonly bytes: Buffer }
  | {
      readonly kind: 'opened';
      readonly stream: number;
      /** The method's place among the settings' paths. */
      readonly method: number;
      readonly address: string;
      /** The leaf certificate, which has been verified. */
      readonly der: Buffer;
    }
  | { readonly kind: 'halfClosed' | 'ended' | 'draining'; readonly stream: number }
  | { readonly kind: 'credit'; readonly stream: number; readonly bytes: number }
  | { readonly kind: 'hello' }
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'counts'; readonly counts: FrontCounts }
  | { readonly kind: 'untrusted'; readonly untrusted: Untrusted }
  /** What cannot be used of certificates that changed; empty: all of it is in use. */
  | { readonly kind: 'taken'; readonly problem: string };

/** Cuts what arrives into frames. Throws a `MeshError` for what the front does not say. */
export class FrontReader {
  #chunks: Buffer[] = [];
  #held = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
  }

  /** The next frame, or undefined until more has arrived. Its bytes are a part of what arrived: copy what is kept. */
  next(): FromFront | undefined {
    const [first] = this.#chunks;
    if (first === undefined || this.#held < HEAD) return undefined;
    const head = first.length >= HEAD ? first : this.#joined();
    const stream = head.readUInt32BE(0);
    const kind = head.readUInt8(4);
    const length = head.readUInt32BE(LENGTH_AT);
    if (length > (kind === Kind.message ? MAX_MESSAGE_BYTES : MAX_OTHER_BYTES)) throw unknown(kind, stream);
    if (this.#held < HEAD + length) return undefined;
    const all = head.length >= HEAD + length ? head : this.#joined();
    const rest = all.subarray(HEAD + length);
    this.#chunks = rest.length > 0 ? [rest, ...this.#chunks.slice(1)] : this.#chunks.slice(1);
    this.#held -= HEAD + length;
    return parse(stream, kind, all.subarray(HEAD, HEAD + length));
  }

  #joined(): Buffer {
    const all = Buffer.concat(this.#chunks, this.#held);
    this.#chunks = [all];
    return all;
  }
}

function parse(stream: number, kind: number, body: Buffer): FromFront {
  const frame = stream === 0 ? ofFront(kind, body) : ofStream(stream, kind, body);
  if (frame === undefined) throw unknown(kind, stream);
  return frame;
}

function ofStream(stream: number, kind: number, body: Buffer): FromFront | undefined {
  switch (kind) {
    case Kind.message:
      return { kind: 'message', stream, bytes: body };
    case Kind.opened:
      return opened(stream, body);
    case Kind.credit:
      return body.length === 4 ? { kind: 'credit', stream, bytes: body.readUInt32BE(0) } : undefined;
    default: {
      const word = WORDS.get(kind);
      return word !== undefined && body.length === 0 ? { kind: word, stream } : undefined;
    }
  }
}

/** What is said without a byte more. */
const WORDS = new Map([
  [Kind.halfClosed, 'halfClosed'],
  [Kind.ended, 'ended'],
  [Kind.draining, 'draining'],
] as const) as ReadonlyMap<number, 'halfClosed' | 'ended' | 'draining'>;

function opened(stream: number, body: Buffer): FromFront | undefined {
  const [method, length] = body;
  if (method === undefined || length === undefined || body.length <= 2 + length) return undefined;
  const address = body.toString('latin1', 2, 2 + length);
  if (isIP(address) === 0) return undefined;
  return { kind: 'opened', stream, method, address, der: body.subarray(2 + length) };
}

function ofFront(kind: number, body: Buffer): FromFront | undefined {
  switch (kind) {
    case Kind.hello:
      return body.toString('latin1') === HELLO ? { kind: 'hello' } : undefined;
    case Kind.listening:
      return body.length === 2 ? { kind: 'listening', port: body.readUInt16BE(0) } : undefined;
    case Kind.counts: {
      const counts = json(countsSchema, body);
      return counts && { kind: 'counts', counts };
    }
    case Kind.untrusted: {
      const untrusted = json(untrustedSchema, body);
      return untrusted && { kind: 'untrusted', untrusted };
    }
    case Kind.taken:
      return taken(body);
    default:
      return undefined;
  }
}

function taken(body: Buffer): FromFront | undefined {
  return body.length <= MAX_PROBLEM_BYTES ? { kind: 'taken', problem: body.toString() } : undefined;
}

function json<T>(schema: z.ZodType<T>, body: Buffer): T | undefined {
  try {
    return schema.safeParse(JSON.parse(body.toString())).data;
  } catch {
    return undefined;
  }
}

function unknown(kind: number, stream: number): MeshError {
  return new MeshError(
    'internal',
    `a frame of kind ${kind} for stream ${stream} is none that the front sends`,
  );
}

/** A message, given in parts. */
export function messageFrame(stream: number, parts: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = head(stream, Kind.message, length);
  let offset = HEAD;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** The stream ends when what was sent has gone out. */
export function endedFrame(stream: number, { code, message }: { code: number; message: string }): Buffer {
  const text = Buffer.from(message.slice(0, MAX_TEXT));
  const out = head(stream, Kind.ended, 1 + text.length);
  out.writeUInt8(code, HEAD);
  out.set(text, HEAD + 1);
  return out;
}

/** Reads on: messages of at most so many bytes. */
export function readOnFrame(stream: number, maxMessageBytes: number): Buffer {
  const out = head(stream, Kind.credit, 4);
  out.writeUInt32BE(Math.min(maxMessageBytes, MAX_MESSAGE_BYTES), HEAD);
  return out;
}

export const helloFrame = (): Buffer => ofBytes(Kind.hello, Buffer.from(HELLO));
export const settingsFrame = (settings: FrontSettings): Buffer => ofJson(Kind.settings, settings);
/** Every connection should end soon, and then the front. */
export const drainFrame = (): Buffer => ofBytes(Kind.draining, Buffer.alloc(0));
export const beatFrame = (): Buffer => ofBytes(Kind.beat, Buffer.alloc(0));
export const certificatesFrame = ({ chain, privateKey, roots }: ServerIdentity): Buffer =>
  ofJson(Kind.certificates, { chain, privateKey, roots });

function ofJson(kind: number, value: object): Buffer {
  return ofBytes(kind, Buffer.from(JSON.stringify(value)));
}

function ofBytes(kind: number, body: Uint8Array): Buffer {
  const out = head(0, kind, body.length);
  out.set(body, HEAD);
  return out;
}

function head(stream: number, kind: number, length: number): Buffer {
  const out = Buffer.allocUnsafe(HEAD + length);
  out.writeUInt32BE(stream, 0);
  out.writeUInt8(kind, 4);
  out.writeUInt32BE(length, LENGTH_AT);
  return out;
}
