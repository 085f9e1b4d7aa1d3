import {
  checkPod,
  formatSpiffeId,
  refused,
  spiffeIdOfSan,
  type KnownPod,
  type PodCheck,
  type Refusal,
} from '../identity/index.js';
import type { Peer } from './service.js';

export interface AdmitOptions {
  readonly trustDomain: string;
  readonly podCheck: PodCheck;
}

/**
 * Whether a proxy may have the configuration of the pod it names. The certificate says which service account it is,
 * and many pods share one; the address says which of them.
 */
export async function admit(
  peer: Peer,
  uid: string,
  options: AdmitOptions,
  signal: AbortSignal,
): Promise<KnownPod | Refusal> {
  const id = spiffeIdOfSan(peer.certificate?.subjectAltName);
  if (id === undefined) {
    return refused(
      'foreign-identity',
      'the client certificate does not hold exactly one SPIFFE name of a service account',
    );
  }
  if (id.trustDomain !== options.trustDomain) {
    return refused(
      'foreign-identity',
      `${formatSpiffeId(id)} is not of the trust domain ${options.trustDomain}`,
    );
  }
  if (uid === '')
    return refused('unknown-pod', 'the first request of a stream must hold the uid of the pod in node.id');
  return checkPod(
    { uid, namespace: id.namespace, serviceAccount: id.serviceAccount, peerAddress: peer.address },
    options.podCheck,
    signal,
  );
}
