import type { Logger, Metrics, Watched } from '../base/index.js';
import {
  GrpcError,
  startGrpcServer,
  unary,
  type Call,
  type GrpcServer,
  type ServerIdentity,
} from '../base/grpc/index.js';
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
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Longest time for one request: a review and the wait for the pod's address are in it. */
const CALL_TIMEOUT_MS = 10_000;
const MAX_AGE_MS = 60_000;

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
  const certify = unary(IdentityAuthority.method.certify, async (request, call) => {
    const answer = await authority.certify(
      { token: bearerToken(call), csr: request.csr, peerAddress: call.peer.address },
      call.signal,
    );
    if (answer.kind === 'refused') {
      metrics.refusals.inc({ reason: answer.reason });
      log.warn(
        { reason: answer.reason, peer: call.peer.address, why: answer.message },
        'refused a certificate',
      );
      throw new GrpcError(REFUSAL_STATUS[answer.reason], `${answer.reason}: ${answer.message}`);
    }
    metrics.issued.inc();
    log.debug(
      { pod: `${answer.pod.namespace}/${answer.pod.name}`, notAfter: answer.notAfter },
      'issued a certificate',
    );
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
      requireClientCertificate: false,
      methods: [certify],
      log,
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
