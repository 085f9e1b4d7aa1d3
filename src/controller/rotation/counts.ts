import { isDeepStrictEqual } from 'node:util';
import { joinSums, memberNumber, memberSum, type MemberSum } from '../../base/index.js';
import type { Pod } from '../../kube/index.js';
import type { Reach } from '../../identity/index.js';
import type { Straggler, TrustInUse, TrustStanding } from '../../proxies/index.js';
import { isMeshed } from '../collect/index.js';

/** What all replicas together know of who trusts what. */
export interface TrustCounts {
  /** Meshed pods that run. */
  readonly pods: number;
  /** Of these, those whose certificates their kubelets renew. */
  readonly byKubelet: number;
  readonly trusting: number;
  readonly certified: number;
  readonly replicas: number;
  /** Of these, those that distribute what is in the Secret. */
  readonly current: number;
  /** How far the newest root has come, webhooks apart. */
  readonly reach: Reach;
  /** Every running pod is proven to have a certificate of the issuer. */
  readonly allCertified: boolean;
  /** Every running pod is proven to have given up the roots that are not distributed. */
  readonly allRetired: boolean;
  /** Some proxy or replica is known to have not. */
  readonly someHold: boolean;
  readonly behind: readonly Straggler[];
}

const MAX_STRAGGLERS = 10;

/** Whether the proxy of a pod has to be heard of: it runs. */
export function isHeardOf(pod: Pod): boolean {
  return isMeshed(pod) && pod.phase === 'Running' && !pod.metadata.deleting;
}

/** `reports` has an entry for each replica, undefined where its version does not count. `expected`: what is in the Secret. */
export function countTrust(
  reports: readonly (TrustStanding | undefined)[],
  pods: Iterable<Pod>,
  expected: TrustInUse,
): TrustCounts {
  const known = reports.filter((report) => report !== undefined);
  const heardOf = [...pods].filter(isHeardOf);
  const running = memberSum(heardOf.map(({ metadata }) => memberNumber(metadata.uid)));
  const sum = (of: (report: TrustStanding) => MemberSum): MemberSum => joinSums(known.map(of));
  const none = (of: (report: TrustStanding) => number): boolean => known.every((report) => of(report) === 0);
  const isWhole = known.length === reports.length && none(({ silent }) => silent);
  const [trusting, certified] = [sum((report) => report.trusting), sum((report) => report.certified)];
  const isLacking =
    !known.every(({ roots }) => roots[0] === expected.roots[0]) || !none((one) => one.lacking);
  const isHolding =
    !known.every(({ roots }) => isDeepStrictEqual(roots, expected.roots)) || !none((one) => one.holding);
  const isEvery = (some: MemberSum): boolean => isDeepStrictEqual(some, running);
  const isIssuerUsed = known.every(({ issuer }) => issuer === expected.issuer);
  return {
    pods: running.count,
    byKubelet: heardOf.filter(({ meshContainers }) => meshContainers.proxy?.podCertificate === true).length,
    trusting: trusting.count,
    certified: certified.count,
    replicas: reports.length,
    current: known.filter(({ roots, issuer }) => isDeepStrictEqual({ roots, issuer }, expected)).length,
    reach: reachOf(isLacking, isWhole && isEvery(trusting)),
    allCertified:
      known.length === reports.length &&
      isIssuerUsed &&
      none(({ uncertified }) => uncertified) &&
      isEvery(certified),
    allRetired: isWhole && !isHolding && isEvery(sum(({ proxies }) => proxies)),
    someHold: isHolding,
    behind: known.flatMap(({ behind }) => behind).slice(0, MAX_STRAGGLERS),
  };
}

function reachOf(isLacking: boolean, isEverywhere: boolean): Reach {
  if (isLacking) return 'lacking';
  return isEverywhere ? 'everywhere' : 'unknown';
}
