import { Resources, type KubeObject, type Resource, type Secret } from '../../kube/index.js';
import { ACKS_KEY, ACKS_LABEL, decodeReport, type AckReport } from '../ack-summary.js';
import { LAST_KNOWN, LAST_KNOWN_LABEL, type LastKnown } from '../last-known/record.js';
import { ROTATION, ROTATION_MAP, type RotationRecord } from '../rotation/record.js';
import { ISSUER_SECRET } from '../trust-secrets.js';
import type { KindRow } from './kind.js';

/** Secret `weft-issuer` only. */
export const issuer: KindRow<Secret> = {
  resource: Resources.secret,
  installedBy: 'kubernetes',
  within: ({ systemNamespace }) => ({
    namespace: systemNamespace,
    fieldSelector: `metadata.name=${ISSUER_SECRET}`,
  }),
};

/** ConfigMap of a replica, read once when it arrives. */
export interface ReplicaReport extends KubeObject {
  readonly report: AckReport;
}

const REPLICA_REPORT: Resource<ReplicaReport> = {
  ...Resources.configMap,
  keep: (raw) => {
    const { metadata, data } = Resources.configMap.keep(raw);
    return { metadata, report: decodeReport(data[ACKS_KEY]) };
  },
};

/** What replicas say about acknowledgements. */
export const acks: KindRow<ReplicaReport> = {
  resource: REPLICA_REPORT,
  installedBy: 'kubernetes',
  within: ({ systemNamespace }) => ({ namespace: systemNamespace, labelSelector: ACKS_LABEL }),
};

/** What this revision last knew of settings, policies and routes. */
export const lastKnown: KindRow<LastKnown> = {
  resource: LAST_KNOWN,
  installedBy: 'kubernetes',
  within: ({ systemNamespace, revision }) => ({
    namespace: systemNamespace,
    labelSelector: `${LAST_KNOWN_LABEL}=${revision}`,
  }),
};

/** What somebody asks of root and issuer, and how that stands. */
export const rotation: KindRow<RotationRecord> = {
  resource: ROTATION,
  installedBy: 'kubernetes',
  within: ({ systemNamespace }) => ({
    namespace: systemNamespace,
    fieldSelector: `metadata.name=${ROTATION_MAP}`,
  }),
};
