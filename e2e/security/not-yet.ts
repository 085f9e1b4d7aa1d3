import type { Elsewhere, NotYet } from './row.js';

/** Rows of the acceptance table that others play. They are counted there. */
export const ELSEWHERE: readonly Elsewhere[] = [
  {
    area: 'Live rotation',
    name: 'issuer and root under load',
    by: 'e2e/tests/identity-rotate.test.ts on the cluster, with WEFT_SLOW=1',
  },
  {
    area: 'Control plane as a target',
    name: 'each verb is needed, and no other one',
    by: 'src/controller/rbac.test.ts',
  },
  { area: 'Control plane as a target', name: 'floods', by: 'e2e/hostile/main.ts' },
];

/** Rows of the acceptance table that need something that is not built, or that nobody plays. They count as not met. */
export const NOT_YET: readonly NotYet[] = [
  {
    area: 'Live rotation',
    name: 'the leader killed in each state, under load',
    because:
      '`src/controller/rotation/rotation.test.ts` goes on from each state in memory; nobody kills a real one',
  },
  {
    area: 'CA import',
    name: 'cert-manager and a shared corporate root',
    because: 'the control plane asks no cert-manager, and nobody plays two clusters with one root',
  },
  {
    area: 'Fail closed on distribution',
    name: 'an operator killed between two writes',
    because: 'nobody plays it',
  },
  {
    area: 'Supply chain',
    name: 'a flipped byte, a signature, two builds with one digest',
    because: 'nobody plays it here; `make sbom`, `make audit` and `make reproduce` show a part',
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
