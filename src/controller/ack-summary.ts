import { z } from 'zod';

/** Label of the ConfigMaps in which replicas report acknowledgements. */
export const ACKS_LABEL = 'weft.dev/acks';
/** Key in such a ConfigMap. */
export const ACKS_KEY = 'summary.json';

/** How the proxies of one replica took one policy. */
export interface ReplicaAcks {
  /** Generation of the policy in the resources that were sent. */
  readonly generation: number;
  readonly subscribers: number;
  readonly acknowledged: number;
  readonly rejected: number;
  /** What one of them said; it comes from a proxy, so do not believe it. */
  readonly sampleReason?: string | undefined;
}

/** By uid of the policy. */
export type AckReport = Readonly<Record<string, ReplicaAcks>>;

const count = z.number().int().nonnegative();
const report = z.record(
  z.string(),
  z.object({
    generation: count,
    subscribers: count,
    acknowledged: count,
    rejected: count,
    sampleReason: z.string().max(300).optional(),
  }),
);

/** Room for about this many policies keeps a report well below what a ConfigMap may hold. */
const MAX_POLICIES = 2_000;
const MAX_REASON = 200;

/** Those with a rejection come first where not all fit, because they are what somebody must hear of. */
export function encodeReport(entries: ReadonlyMap<string, ReplicaAcks>): string {
  const kept = [...entries].sort(([, a], [, b]) => b.rejected - a.rejected).slice(0, MAX_POLICIES);
  const short = kept.map(([uid, acks]) => [
    uid,
    acks.sampleReason === undefined
      ? acks
      : { ...acks, sampleReason: acks.sampleReason.slice(0, MAX_REASON) },
  ]);
  return JSON.stringify(Object.fromEntries(short));
}

/** What another replica wrote; nothing when it cannot be read, as from a version that writes otherwise. */
export function decodeReport(text: string | undefined): AckReport {
  try {
    return report.parse(JSON.parse(text ?? '{}'));
  } catch {
    return {};
  }
}

/** All replicas' words about one generation of a policy. */
export interface AckTotal {
  readonly subscribers: number;
  readonly acknowledged: number;
  readonly rejected: number;
  readonly sampleReason?: string;
}

/** Who has been sent another generation has not answered about this one yet. */
export function totalAcks(replicas: readonly ReplicaAcks[], generation: number): AckTotal {
  const current = replicas.filter((acks) => acks.generation === generation);
  const sampleReason = current.find((acks) => acks.sampleReason !== undefined)?.sampleReason;
  return {
    subscribers: sum(replicas, (acks) => acks.subscribers),
    acknowledged: sum(current, (acks) => acks.acknowledged),
    rejected: sum(current, (acks) => acks.rejected),
    ...(sampleReason === undefined ? {} : { sampleReason }),
  };
}

function sum(replicas: readonly ReplicaAcks[], of: (acks: ReplicaAcks) => number): number {
  return replicas.reduce((total, acks) => total + of(acks), 0);
}
