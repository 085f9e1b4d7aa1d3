import { LogSampler, cut, type Logger, type Metrics, type Watched } from '../base/index.js';
import type { ConnectionLimits, ListenerMetrics } from '../base/listener/index.js';
import {
  GrpcError,
  startGrpcServer,
  unary,
  type Call,
  type GrpcServer,
  type ServerIdentity,
} from '../grpc/index.js';
import { IdentityAuthority } from '../wire/gen/weft/identity/v1/identity_pb.js';
import type { Authority } from './authority.js';
import { identityMetrics } from './metrics.js';
import { REFUSAL_STATUS } from './refusal.js';

export interface IdentityServerOptions {
  /** Default: every address. */
  readonly host?: string;
  /** `names.ControlPlanePort.csr`; 0 in tests. */
  readonly port: number;
  /** The control plane's SVID, from `keepOwnCertificate`. */
  readonly identity: Watched<ServerIdentity>;
  readonly authority: Authority;
  /** Whether all pods of a node come from one address, so that a share for each address means nothing. */
  readonly sharedAddresses: boolean;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly listeners?: ListenerMetrics;
  /** How long a connection may ask for nothing, in milliseconds. Default 5 s: a proxy asks once, and closes it then. */
  readonly idleMs?: number;
}

/** Longest time for one request: a review and the wait for the pod's address are in it. */
const CALL_TIMEOUT_MS = 10_000;
const MAX_AGE_MS = 60_000;
const IDLE_MS = 5_000;
const MAX_STREAMS = 4;
/** A request on P-256 has some 500 bytes; the token travels in a header. */
const MAX_MESSAGE_BYTES = 16 * 1024;
/** Nobody proves anything before the handshake, so an address gets little: one pod needs one connection. */
const CONNECTIONS: ConnectionLimits = {
  total: 4_096,
  perAddress: 32,
  newPerAddress: { burst: 64, everyMs: 100 },
};
const SHARED_CONNECTIONS: ConnectionLimits = {
  total: 4_096,
  perAddress: 2_048,
  newPerAddress: { burst: 4_096, everyMs: 5 },
};

/**
 * Serves `weft.identity.v1.IdentityAuthority` over server TLS; the caller proves itself with its token. Resolves when
 * the port is bound, and stops when the signal aborts.
 */
export async function startIdentityServer(
  options: IdentityServerOptions,
  signal: AbortSignal,
): Promise<GrpcServer> {
  const { authority, log } = options;
  const metrics = identityMetrics(options.metrics);
  const refusals = new LogSampler();
  const certify = unary(IdentityAuthority.method.certify, async (request, call) => {
    const answer = await authority.certify(
      { token: bearerToken(call), csr: request.csr, peerAddress: call.peer.address },
      call.signal,
    );
    if (answer.kind === 'refused') {
      metrics.refusals.inc({ reason: answer.reason });
      const { reason, message } = answer;
      const sample = refusals.take(`${reason} ${call.peer.address}`);
      if (sample !== undefined)
        log.warn({ reason, peer: call.peer.address, why: cut(message), ...sample }, 'refused a certificate');
      throw new GrpcError(REFUSAL_STATUS[answer.reason], `${answer.reason}: ${answer.message}`);
    }
    metrics.issued.inc();
    const { identity, pod, serial, spkiSha256, notAfter } = answer;
    const about = { pod: `${pod.namespace}/${pod.name}`, podUid: pod.uid, peer: call.peer.address };
    log.info({ identity, ...about, serial, spkiSha256, notAfter }, 'issued a certificate');
    return {
      chain: [...answer.chain].map((der) => Uint8Array.from(der)),
      notBefore: seconds(answer.notBefore),
      notAfter: seconds(answer.notAfter),
    };
  });
  return startGrpcServer(
    {
      ...(options.host === undefined ? {} : { host: options.host }),
      port: options.port,
      identity: options.identity,
      methods: [certify],
      log,
      name: 'certificates',
      metrics: options.listeners,
      connections: options.sharedAddresses ? SHARED_CONNECTIONS : CONNECTIONS,
      maxMessageBytes: MAX_MESSAGE_BYTES,
      maxStreams: MAX_STREAMS,
      idleMs: options.idleMs ?? IDLE_MS,
      callTimeoutMs: CALL_TIMEOUT_MS,
      maxConnectionAgeMs: MAX_AGE_MS,
    },
    signal,
  );
}

function bearerToken(call: Call): string | undefined {
  return /^Bearer ([\w.~+/=-]+)$/i.exec(call.header('authorization') ?? '')?.[1];
}

function seconds(date: Date): bigint {
  return BigInt(Math.floor(date.getTime() / 1000));
}
