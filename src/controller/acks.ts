import { isDeepStrictEqual } from 'node:util';
import { MeshError, pause, type Logger } from '../base/index.js';
import { Resources, applyObject, type KubeClient } from '../kube/index.js';
import type { TrustStanding } from '../proxies/index.js';
import type { AckSummary, Rejection } from '../xds/index.js';
import {
  ACKS_KEY,
  ACKS_LABEL,
  acksConfigMap,
  encodeReport,
  type ReplicaAcks,
  type ReplicaRejection,
} from './ack-summary.js';
import type { Peers } from './peers.js';

/** What the config server of this replica knows about acknowledgements. */
export interface AckSource {
  acksOf(policyUid: string): AckSummary | undefined;
  rejections(): readonly Rejection[];
  onAcks(listener: (policyUids: ReadonlySet<string>) => void): void;
}

/** Which pod this process runs in; absent when it runs on a developer's machine. */
export interface OwnPod {
  readonly name: string;
  readonly uid: string;
}

/**
 * From the moment a replica begins to serve to the one by which proxies that lost the control plane have found it: they try
 * again every 5 s at the latest. Until then the silence of a proxy says nothing.
 */
const RETURN_MS = 10_000;

/** This replica's acknowledgements, as they are now. Empty until it follows a source. */
export class OwnAcks {
  readonly #returnMs: number;
  #source: AckSource | undefined;
  #followedAt: number | undefined;
  /** As told last, which is what other replicas hear of. */
  readonly #entries = new Map<string, ReplicaAcks>();
  #rejections: readonly ReplicaRejection[] = [];
  readonly #listeners = new Set<(policyUids: ReadonlySet<string>) => void>();

  constructor(returnMs = RETURN_MS) {
    this.#returnMs = returnMs;
  }

  follow(source: AckSource): void {
    this.#source = source;
    this.#followedAt = performance.now();
    source.onAcks((uids) => this.#update(source, uids));
  }

  /** How long it takes yet until who says nothing is not there, in milliseconds. */
  get settlesInMs(): number {
    if (this.#followedAt === undefined) return this.#returnMs;
    return Math.max(0, this.#followedAt + this.#returnMs - performance.now());
  }

  /** How a policy stands this very moment. */
  of(policyUid: string): ReplicaAcks | undefined {
    const summary = this.#source?.acksOf(policyUid);
    return summary === undefined ? undefined : toReplicaAcks(summary);
  }

  get entries(): ReadonlyMap<string, ReplicaAcks> {
    return this.#entries;
  }

  get rejections(): readonly ReplicaRejection[] {
    return this.#rejections;
  }

  /** Tells which policies have news. The answer stops it. */
  onChange(listener: (policyUids: ReadonlySet<string>) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #update(source: AckSource, uids: ReadonlySet<string>): void {
    const news = new Set([...uids].filter((uid) => this.#updateOne(uid, source.acksOf(uid))));
    const rejections = source.rejections().map(toReplicaRejection);
    const same = isDeepStrictEqual(rejections, this.#rejections);
    this.#rejections = rejections;
    if (news.size === 0 && same) return;
    for (const listener of this.#listeners) listener(news);
  }

  /** Whether that is news. */
  #updateOne(uid: string, summary: AckSummary | undefined): boolean {
    if (summary === undefined) return this.#entries.delete(uid);
    const entry = toReplicaAcks(summary);
    if (isDeepStrictEqual(entry, this.#entries.get(uid))) return false;
    this.#entries.set(uid, entry);
    return true;
  }
}

function toReplicaAcks({ policy, ...counts }: AckSummary): ReplicaAcks {
  return { generation: policy.generation, ...counts };
}

function toReplicaRejection({ pod, uid, typeUrl, name, reason }: Rejection): ReplicaRejection {
  const kind = typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
  return { pod, uid, reason, resource: kind === 'Workload' ? kind : `${kind} ${name}` };
}

export interface PublishOptions {
  readonly client: KubeClient;
  readonly systemNamespace: string;
  readonly revision: string;
  readonly pod: OwnPod;
  readonly own: OwnAcks;
  /** How this replica's proxies stand to roots and issuer; undefined while it has none, or nobody asks. */
  readonly trust?: () => TrustStanding | undefined;
  readonly log: Logger;
  /** Least time between two writes. Default 1 s. */
  readonly everyMs?: number;
}

/**
 * Tells the leader about this replica's acknowledgements, when they changed, until the signal aborts. The first report is
 * written even if it is empty: a container that restarts in its pod finds the report of its former life there.
 */
export async function publishAcks(options: PublishOptions, signal: AbortSignal): Promise<void> {
  let written: string | undefined;
  while (await pause(options.everyMs ?? 1_000, signal)) {
    const report = encodeReport({
      policies: options.own.entries,
      rejections: options.own.rejections,
      settled: options.own.settlesInMs === 0,
      trust: options.trust?.(),
    });
    if (report === written) continue;
    try {
      await writeReport(options, report, signal);
      written = report;
    } catch (thrown) {
      options.log.warn({ err: MeshError.from(thrown) }, 'could not report acknowledgements');
    }
  }
}

/** The pod owns the ConfigMap, so that it goes with the replica. */
async function writeReport(options: PublishOptions, report: string, signal: AbortSignal): Promise<void> {
  const { client, systemNamespace, revision, pod } = options;
  const owner = { apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: pod.uid };
  const metadata = {
    name: acksConfigMap(pod.name),
    namespace: systemNamespace,
    labels: { [ACKS_LABEL]: revision, 'app.kubernetes.io/managed-by': 'weft' },
    ownerReferences: [owner],
  };
  await applyObject(client, Resources.configMap, { metadata, data: { [ACKS_KEY]: report } }, { signal });
}

/** What all replicas say about a policy. */
export interface Standings {
  readonly replicas: readonly ReplicaAcks[];
  /** Every proxy that uses the policy has had time to be heard of. */
  readonly isSettled: boolean;
  /** When to look again although nothing changes. */
  readonly againAfterMs: number | undefined;
}

/** How often to look whether another replica has settled: it tells in a report about all policies, and about none. */
const LOOK_AGAIN_MS = 1_000;

/** Our own words fresh, the others' from their reports. */
export function standingsOf(policyUid: string, own: OwnAcks, peers: Peers): Standings {
  const others = peers.reports();
  const leaving = others.flatMap(({ report, leavesInMs }) =>
    leavesInMs !== undefined && policyUid in report.policies ? [leavesInMs] : [],
  );
  const isPeerSettled = others.every(({ report }) => report.settled);
  const waits = [
    ...leaving,
    ...(own.settlesInMs > 0 ? [own.settlesInMs] : []),
    ...(isPeerSettled ? [] : [LOOK_AGAIN_MS]),
  ];
  return {
    replicas: [own.of(policyUid), ...others.map(({ report }) => report.policies[policyUid])].filter(
      (acks) => acks !== undefined,
    ),
    isSettled: isPeerSettled && own.settlesInMs === 0,
    againAfterMs: waits.length === 0 ? undefined : Math.min(...waits),
  };
}

/** Rejections that replicas report. */
export function rejectionsOf(own: OwnAcks, peers: Peers): readonly ReplicaRejection[] {
  return [...own.rejections, ...peers.reports().flatMap(({ report }) => report.rejections)];
}
