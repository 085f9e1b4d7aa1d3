import type { NotYet } from './row.js';

/** Rows of the acceptance table that need something that is not built, or that nothing here plays. They count as not met. */
export const NOT_YET: readonly NotYet[] = [
  {
    area: 'mTLS modes',
    name: 'by namespace, workload and port, changed under load',
    because: 'nobody plays it here; `e2e/tests/mtls.test.ts` plays a part on the cluster',
  },
  {
    area: 'L7 match',
    name: 'the forms before six real servers',
    because: 'the application here is a recorder',
  },
  {
    area: 'Live rotation',
    name: 'issuer and root under load, in each state',
    because:
      '`e2e/tests/identity-rotate.test.ts` plays it on the cluster, with WEFT_SLOW=1; here is no operator',
  },
  {
    area: 'CA import',
    name: 'cert-manager and a shared corporate root',
    because: 'the control plane asks no cert-manager, and nobody plays two clusters with one root',
  },
  {
    area: 'Fail closed on distribution',
    name: 'a default-deny while 50 pods start, an operator killed between two writes',
    because: 'nobody plays it',
  },
  {
    area: 'Control plane as a target',
    name: 'each verb removed and each verb absent',
    because:
      '`src/controller/rbac.test.ts` holds each verb to a use in both directions, in memory; `e2e/hostile` plays the floods',
  },
  {
    area: 'Supply chain',
    name: 'a flipped byte, a signature, two builds with one digest',
    because: 'nobody plays it here; `make sbom` and `make reproduce` show a part',
  },
  {
    area: 'Seen by operators',
    name: 'a refusal explained in a minute by somebody who did not write the rule',
    because: 'it takes a person',
  },
  {
    area: 'Cost',
    name: 'rules, tokens and an authorizer beside the peers',
    because: '`make bench-features` measures it; nobody judges it here',
  },
];

/** What needs etcd and kube-apiserver, in a run that has none. */
export const WITHOUT_KUBERNETES: readonly NotYet[] = [
  { area: 'Issuance hardening', name: '20 tokens', because: 'no API server is at hand' },
  { area: 'Tenancy', name: '40 attempts of a namespace', because: 'no API server is at hand' },
];
