import { BUNDLE_TRAVELS_MS, LEAF_LIFE_MS, isOfWeft, type TrustWish } from '../../identity/index.js';
import type { TrustCounts } from './counts.js';
import type { RotationRequest, RotationState, RotationStatus } from './record.js';

/** After its life, what a replica that was slow to hear of the new issuer has still signed with the former. */
const LAST_OF_FORMER_MS = LEAF_LIFE_MS + 3_600_000;

/** What is in the Secrets, by fingerprints; the rest is of the issuer's Secret. */
export interface TrustFacts {
  /** Of Secret `weft-root`; null: there is none. */
  readonly root: string | null;
  readonly issuer: string | null;
  /** Identifier of its key, by which those that it signs know it. */
  readonly issuerKey: string;
  /** The root that signed the issuer. */
  readonly signer: string | null;
  readonly roots: readonly string[];
  /** From when the issuer is valid, in milliseconds since 1970. */
  readonly issuerSince: number;
}

/** What a request meets: certificates in PEM, and who says that the Secret is theirs. */
export interface Found {
  readonly root: string | undefined;
  readonly issuer: string | undefined;
  /** The Certificate of cert-manager that keeps the issuer's Secret. */
  readonly keptBy: string | undefined;
}

/** Why what was asked for is not done; undefined: it is. */
export function refusal(
  { of, takeOver }: RotationRequest,
  { root, issuer, keptBy }: Found,
): string | undefined {
  if (keptBy !== undefined)
    return `cert-manager keeps Secret weft-issuer for its Certificate ${keptBy}, and would undo it: rotate there, or delete that Certificate first`;
  if (issuer === undefined)
    return 'there is no issuer yet; the leader makes one by itself, weft check says why it has not';
  if (takeOver) return undefined;
  const hint =
    'bring its successor with weft identity import, or add --take-over to have Weft make one of its own';
  if (!isOfWeft(issuer, 'issuer')) return `Weft did not make the issuer; ${hint}`;
  if (root === undefined)
    return 'Secret weft-root does not exist: restore it, or, with --root --take-over, have Weft make a root of its own';
  if (of === 'root' && !isOfWeft(root, 'root')) return `Weft did not make the root; ${hint}`;
  return undefined;
}

/** What the leader is to replace for a rotation that is under way. */
export function wishOf({ of, takeOver, from }: RotationStatus, facts: TrustFacts): TrustWish {
  return {
    takeOver,
    replaceRoot: of === 'root' && facts.root === from.root,
    replaceIssuer: facts.issuer === from.issuer,
  };
}

/** How a rotation stands, and whether the former root is to go now. */
export interface Standing {
  readonly state: RotationState;
  readonly message: string;
  readonly dropRoot: boolean;
}

/** From the Secrets and the counts alone, so that whoever leads comes to the same answer. */
export function standingOf(
  status: RotationStatus,
  facts: TrustFacts,
  counts: TrustCounts,
  now: number,
): Standing {
  const { of, from } = status;
  if (facts.issuer === from.issuer) return beforeIssuing(facts, counts);
  const isCertified = counts.allCertified || now >= facts.issuerSince + LAST_OF_FORMER_MS;
  const isDropped =
    from.signer === null || from.signer === facts.signer || !facts.roots.includes(from.signer);
  if (of === 'root' && isDropped) return afterDropping(status, counts, now);
  if (!isCertified)
    return stay(
      'Reissuing',
      `waits until every proxy has a certificate of the new issuer, for 25 hours at most: by then all that the former one signed has ended${lateOnes(counts)}`,
    );
  return of === 'issuer'
    ? stay('Done', 'every certificate in use is of the new issuer')
    : { state: 'Retiring', message: 'the former root goes', dropRoot: true };
}

function lateOnes({ byKubelet }: TrustCounts): string {
  return byKubelet === 0
    ? ''
    : `. Pods that have theirs from the kubelet (${byKubelet}) follow when it renews it, 12 to 17 hours after it was issued, or at once when they are recreated`;
}

function stay(state: RotationState, message: string): Standing {
  return { state, message, dropRoot: false };
}

function afterDropping({ states }: RotationStatus, counts: TrustCounts, now: number): Standing {
  const since = states.find(({ state }) => state === 'Retiring')?.at ?? now;
  const isRetired = counts.allRetired || (!counts.someHold && now >= since + BUNDLE_TRAVELS_MS);
  return isRetired
    ? stay('Done', 'nobody trusts the former root any more')
    : stay('Retiring', 'waits until every proxy has given up the former root');
}

function beforeIssuing({ root, roots }: TrustFacts, { reach }: TrustCounts): Standing {
  const isAnnounced = root !== null && roots.includes(root);
  const message = {
    everywhere: 'every proxy trusts the root; the issuer is next',
    lacking:
      'waits until every proxy trusts the new root: kubelets bring ConfigMap weft-trust within two minutes; where one does not, recreate the pod',
    unknown:
      'waits until every proxy trusts the new root, or for five minutes where proxies cannot be asked: they have no connection, or are of a former version',
  }[reach];
  return isAnnounced
    ? stay('Trusting', message)
    : stay('Announcing', 'the new root is added to the trust bundle');
}
