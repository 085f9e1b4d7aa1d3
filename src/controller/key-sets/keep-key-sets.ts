import type { Clock, Logger } from '../../base/index.js';
import { reconcile, type KubeClient, type QueueMetrics, type Reconciler } from '../../kube/index.js';
import type { KeySet } from '../../model/index.js';
import type { ClusterView } from '../cluster-view.js';
import type { Collector } from '../collector.js';
import { keySetsData, keySetsMap, writeRecord } from '../last-known/index.js';
import { fetchKeySet } from './fetch-key-set.js';
import { KeySetKeeper } from './key-set-keeper.js';
import { dialOnly } from './networks.js';

export interface KeySetOptions {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly collector: Collector;
  readonly revision: string;
  readonly systemNamespace: string;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
  readonly clock: Clock;
  /** Networks (CIDR) beside the internet from which keys may be fetched. */
  readonly privateNetworks: readonly string[];
}

/** Of one fetch. */
const TIMEOUT_MS = 10_000;

/** Several issuers come at once where a replica begins to lead. */
const GATHER_MS = 200;

/** The key of the loop under which the record is written; the others are uids of issuers. */
const RECORD = 'record';

/**
 * Fetches the keys of issuers, as long as this replica leads, and keeps them in a ConfigMap of the control plane's namespace, from
 * which all replicas take them: neither a restart nor a new leader needs the servers of others.
 */
export async function keepKeySets(options: KeySetOptions, signal: AbortSignal): Promise<void> {
  const { collector, view, revision, systemNamespace, log, queueMetrics, clock } = options;
  const mayDial = dialOnly(options.privateNetworks);
  const recorded = (): ReadonlyMap<string, KeySet> =>
    view.lastKnown.store.get(`${systemNamespace}/${keySetsMap(revision)}`)?.keySets ?? new Map();
  const keeper = new KeySetKeeper({
    mesh: collector.mesh,
    clock,
    fetch: (place, fetchSignal) =>
      fetchKeySet(place, { mayDial, timeoutMs: TIMEOUT_MS, signal: fetchSignal }),
    recorded: recorded(),
  });
  let record = (): void => undefined;
  const reconciler: Reconciler = {
    name: 'key-sets',
    log,
    metrics: queueMetrics,
    gatherMs: GATHER_MS,
    initial: () => keeper.uids(),
    sources: [
      (due) => collector.onDirty((dirty) => due(keeper.moved(dirty))),
      (due) => {
        record = () => {
          due([RECORD]);
        };
        return () => {
          record = () => undefined;
        };
      },
    ],
    reconcile: async (key, workSignal) => {
      if (key === RECORD) {
        await write(keeper.toRecord(), recorded(), options, workSignal);
        return undefined;
      }
      const againAfterMs = await keeper.refresh(key, workSignal);
      record();
      return againAfterMs === undefined ? undefined : { againAfterMs };
    },
  };
  await reconcile(reconciler, signal);
}

async function write(
  wanted: ReadonlyMap<string, KeySet>,
  recorded: ReadonlyMap<string, KeySet>,
  options: KeySetOptions,
  signal: AbortSignal,
): Promise<void> {
  const { data, leftOut } = keySetsData(wanted);
  if (leftOut.length > 0)
    options.log.warn({ uids: leftOut }, 'there is no room to record the keys of these JwtIssuers');
  const [text] = Object.values(data);
  if (text === Object.values(keySetsData(recorded).data)[0]) return;
  await writeRecord(options, { name: keySetsMap(options.revision), data }, signal);
}
