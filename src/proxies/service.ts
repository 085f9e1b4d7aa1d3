import type { DescMethodBiDiStreaming } from '@bufbuild/protobuf';
import type { GrpcStatus } from '../grpc/index.js';
import type { KnownPod } from '../identity/index.js';

/** What is read of a certificate; the certificate itself takes more memory than all of this. */
export interface PeerCertificate {
  /** As Node writes it: `URI:spiffe://...`. */
  readonly subjectAltName: string | undefined;
  readonly fingerprint256: string;
  /** All of it, the first time it is asked for. */
  readonly der: () => Uint8Array | undefined;
}

/** Who is at the other end of a stream. */
export interface Peer {
  /** Canonical text of the IP address; IPv4 in its own form even over a dual-stack socket. */
  readonly address: string;
  /** Verified against the trust bundle during the handshake. Absent: it cannot be read, and nobody is admitted with it. */
  readonly certificate: PeerCertificate | undefined;
}

/** One stream of a proxy, whatever carries it. */
export interface ProxyStream {
  readonly peer: Peer;
  /** Aborts when the stream has ended. */
  readonly signal: AbortSignal;
  /** Aborts when the stream should end soon: the connection's age, a shutdown. */
  readonly draining: AbortSignal;
  /** Whether it takes a message; false: wait for `writable`. Ask before the message is made. */
  hasRoom(): boolean;
  /** Sends a message given in parts. */
  send(parts: readonly Uint8Array[]): void;
  /** Reads on, messages of at most so many bytes: until then only the first message is read, which may be small only. */
  release(maxMessageBytes: number): void;
  finish(status: GrpcStatus): void;
  /** Ends the stream with the status for whatever was thrown. */
  fail(thrown: unknown): void;
}

/** A stream whose proxy has proven which pod it belongs to. */
export interface AdmittedStream {
  readonly uid: string;
  readonly pod: KnownPod;
  readonly stream: ProxyStream;
}

/** What an admitted stream calls. */
export interface StreamHandler<R> {
  request(request: R): void;
  writable(): void;
}

/** What the replica offers to proxies on their port: a stream each, admitted in the same way for every service. */
export interface ProxyService<R> {
  readonly method: DescMethodBiDiStreaming;
  /** Throws a `GrpcError` where the bytes are not a request. */
  readonly read: (bytes: Uint8Array) => R;
  /** Uid of the pod that the first request of a stream names. */
  readonly podUidOf: (first: R) => string;
  /**
   * Fingerprints of the roots that the proxy says it trusts, in the first request; empty: it does not say. Proxies are counted by
   * their streams of the service that has it.
   */
  readonly rootsOf?: (first: R) => readonly string[];
  /** Bytes of one request of an admitted stream. */
  readonly maxRequestBytes: number;
  /** A stream was admitted; its first request comes next. The service hears of its end by the stream's signal. */
  readonly open: (admitted: AdmittedStream) => StreamHandler<R>;
}
