import { z } from 'zod';
import type { TrustStanding } from '../proxies/index.js';

/** Label of the ConfigMaps in which replicas report acknowledgements. */
export const ACKS_LABEL = 'weft.dev/acks';
/** Key in such a ConfigMap. */
export const ACKS_KEY = 'acks.json';

/** Name of the ConfigMap of a replica. */
export function acksConfigMap(pod: string): string {
  return `weft-acks-${pod}`;
}

/** How the proxies of one replica took one policy. */
export interface ReplicaAcks {
  /** Generation of the policy in the resources that were sent. */
  readonly generation: number;
  readonly subscribers: number;
  readonly acknowledged: number;
  readonly rejected: number;
  /** Have owed an answer for long. */
  readonly late: number;
  /** Some that rejected it or are late. */
  readonly outliers: readonly AckOutlier[];
}

export interface AckOutlier {
  /** `<namespace>/<name>`. */
  readonly pod: string;
  /** A code of ours, never a proxy's words. */
  readonly reason: string;
}

/** A proxy of one replica that rejects a resource at present. */
export interface ReplicaRejection extends AckOutlier {
  /** Of the pod. */
  readonly uid: string;
  /** What it rejects: `Workload`, or `Destination <name>`. */
  readonly resource: string;
}

/** Everything that one replica reports. */
export interface AckReport {
  /** By uid of the policy. */
  readonly policies: Readonly<Record<string, ReplicaAcks>>;
  readonly rejections: readonly ReplicaRejection[];
  /** It has served for so long that proxies which were to come to it have come. */
  readonly settled: boolean;
  /** How its proxies stand to roots and issuer; absent while it has none, and from versions that do not count them. */
  readonly trust?: TrustStanding | undefined;
}

export const EMPTY_REPORT: AckReport = { policies: {}, rejections: [], settled: true };

const count = z.number().int().nonnegative();
const outlier = z.object({ pod: z.string().max(400), reason: z.string().max(60) });
const fingerprint = z.string().regex(/^[0-9a-f]{64}$/);
const memberSum = z.object({ count, sum: z.string().regex(/^[0-9a-f]{1,32}$/) });
const trust = z.object({
  roots: z.array(fingerprint).max(100),
  issuer: z.string().regex(/^[0-9a-f]{40}$/),
  proxies: memberSum,
  trusting: memberSum,
  certified: memberSum,
  lacking: count,
  uncertified: count,
  silent: count,
  holding: count,
  behind: z
    .array(z.object({ pod: z.string().max(400), lacks: z.enum(['root', 'certificate', 'removal']) }))
    .max(10),
});
const report = z.object({
  policies: z.record(
    z.string(),
    z.object({
      generation: count,
      subscribers: count,
      acknowledged: count,
      rejected: count,
      late: count,
      outliers: z.array(outlier).max(10),
    }),
  ),
  rejections: z.array(outlier.extend({ uid: z.string().max(100), resource: z.string().max(600) })).max(100),
  // Versions before it did not say.
  settled: z.boolean().default(true),
  trust: trust.exactOptional(),
});

/** Room for about this many policies keeps a report well below what a ConfigMap may hold. */
const MAX_POLICIES = 2_000;

/** Those with a rejection come first where not all fit, because they are what somebody must hear of. */
export function encodeReport({
  policies,
  rejections,
  settled,
  trust: standing,
}: Omit<AckReport, 'policies'> & { readonly policies: ReadonlyMap<string, ReplicaAcks> }): string {
  const kept = [...policies].sort(([, a], [, b]) => b.rejected - a.rejected).slice(0, MAX_POLICIES);
  return JSON.stringify({ policies: Object.fromEntries(kept), rejections, settled, trust: standing });
}

/** What another replica wrote; nothing when it cannot be read, as from a version that writes otherwise. */
export function decodeReport(text: string | undefined): AckReport {
  if (text === undefined) return EMPTY_REPORT;
  try {
    return report.parse(JSON.parse(text));
  } catch {
    return EMPTY_REPORT;
  }
}

/** All replicas' words about one generation of a policy. */
export type AckTotal = Omit<ReplicaAcks, 'generation'>;

/** Who has been sent another generation has not answered about this one yet. */
export function totalAcks(replicas: readonly ReplicaAcks[], generation: number): AckTotal {
  const current = replicas.filter((acks) => acks.generation === generation);
  return {
    subscribers: sum(replicas, (acks) => acks.subscribers),
    acknowledged: sum(current, (acks) => acks.acknowledged),
    rejected: sum(current, (acks) => acks.rejected),
    late: sum(current, (acks) => acks.late),
    outliers: current.flatMap(({ outliers }) => outliers),
  };
}

function sum(replicas: readonly ReplicaAcks[], of: (acks: ReplicaAcks) => number): number {
  return replicas.reduce((total, acks) => total + of(acks), 0);
}
