import { MeshError, pause, type Logger } from '../base/index.js';
import { Resources, applyObject, type KubeClient } from '../kube/index.js';
import type { PolicyRef } from '../model/index.js';
import { ACKS_KEY, ACKS_LABEL, encodeReport, type ReplicaAcks } from './ack-summary.js';
import type { ClusterView } from './cluster-view.js';

/** What the config server of this replica knows about acknowledgements. */
export interface AckSource {
  acksOf(policyUid: string): (Omit<ReplicaAcks, 'generation'> & { readonly policy: PolicyRef }) | undefined;
  onAcks(listener: (policyUids: ReadonlySet<string>) => void): void;
}

/** Which pod this process runs in; absent when it runs on a developer's machine. */
export interface OwnPod {
  readonly name: string;
  readonly uid: string;
}

/** This replica's acknowledgements, as they are now. Empty until it follows a source. */
export class OwnAcks {
  readonly #entries = new Map<string, ReplicaAcks>();
  readonly #listeners = new Set<(policyUids: ReadonlySet<string>) => void>();

  follow(source: AckSource): void {
    source.onAcks((uids) => this.#update(source, uids));
  }

  get entries(): ReadonlyMap<string, ReplicaAcks> {
    return this.#entries;
  }

  /** Tells which policies have news. The answer stops it. */
  onChange(listener: (policyUids: ReadonlySet<string>) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #update(source: AckSource, uids: ReadonlySet<string>): void {
    for (const uid of uids) {
      const summary = source.acksOf(uid);
      if (summary === undefined) this.#entries.delete(uid);
      else {
        const { policy, subscribers, acknowledged, rejected, sampleReason } = summary;
        this.#entries.set(uid, {
          generation: policy.generation,
          subscribers,
          acknowledged,
          rejected,
          sampleReason,
        });
      }
    }
    for (const listener of this.#listeners) listener(uids);
  }
}

export interface PublishOptions {
  readonly client: KubeClient;
  readonly systemNamespace: string;
  readonly revision: string;
  readonly pod: OwnPod;
  readonly own: OwnAcks;
  readonly log: Logger;
  /** Least time between two writes. Default 1 s. */
  readonly everyMs?: number;
}

/** Name of the ConfigMap of a replica. */
export function acksConfigMap(pod: string): string {
  return `weft-acks-${pod}`;
}

/** Tells the leader about this replica's acknowledgements, when they changed, until the signal aborts. */
export async function publishAcks(options: PublishOptions, signal: AbortSignal): Promise<void> {
  let written = '{}';
  while (await pause(options.everyMs ?? 1_000, signal)) {
    const report = encodeReport(options.own.entries);
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

/** What every replica that still runs says about a policy: our own words fresh, the others' from their ConfigMaps. */
export function replicasOf(
  policyUid: string,
  own: OwnAcks,
  view: ClusterView,
  pod: OwnPod | undefined,
): readonly ReplicaAcks[] {
  const found = [own.entries.get(policyUid)];
  for (const map of view.acks.store.values()) {
    const replica = map.metadata.name.slice(acksConfigMap('').length);
    const runs = view.pods.store.get(`${map.metadata.namespace}/${replica}`) !== undefined;
    if (replica !== pod?.name && runs) found.push(map.report[policyUid]);
  }
  return found.filter((acks) => acks !== undefined);
}
