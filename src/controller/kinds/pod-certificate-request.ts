import { names } from '../../base/index.js';
import { Resources, type PodCertificateRequest } from '../../kube/index.js';
import type { KindRow } from './kind.js';
import { POD_CERTIFICATES } from './reasons.js';

/** Those of our signer, in no table: what becomes of one is decided once, see `sign-pod-certificates.ts`. */
export const podCertificateRequest: KindRow<PodCertificateRequest> = {
  resource: Resources.podCertificateRequest,
  installedBy: 'others',
  within: () => ({ fieldSelector: `spec.signerName=${names.POD_SIGNER}` }),
  access: { read: POD_CERTIFICATES },
};
