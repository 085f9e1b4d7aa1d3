import type { Logger } from '../../base/index.js';
import {
  applyObject,
  reconcile,
  storeSource,
  terminalOn,
  Resources,
  type Change,
  type KubeClient,
  type Outcome,
  type KubeObject,
  type QueueMetrics,
  type Reconciler,
} from '../../kube/index.js';
import { knownKinds, type ClusterView } from '../cluster-view.js';
import type { Collector } from '../collector.js';
import { ENDED_KEPT_MS, type RecordedForms } from './good-forms.js';
import { LAST_KNOWN_LABEL, formsData, formsMapOf, formsMaps, settingsData, settingsMap } from './record.js';

export interface LastKnownOptions {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly collector: Collector;
  readonly revision: string;
  readonly systemNamespace: string;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
}

/** A rollout changes many objects: one write for all of that. */
const GATHER_MS = 500;

/**
 * Keeps what was last known in ConfigMaps of the control plane's namespace, as long as this replica leads: the settings
 * of the mesh, and the last good form of every policy and route.
 */
export async function recordLastKnown(options: LastKnownOptions, signal: AbortSignal): Promise<void> {
  const { view, revision, log, queueMetrics } = options;
  const settings = settingsMap(revision);
  const written = knownKinds(view).filter(({ row }) => row.feed?.written === true);
  const all = (): string[] => [settings, ...formsMaps(revision)];
  const ofObject = (change: Change<KubeObject>): string[] => {
    const { uid } = (change.type === 'set' ? change.object : change.previous).metadata;
    return [formsMapOf(revision, uid)];
  };
  const reconciler: Reconciler = {
    name: 'last-known',
    log,
    metrics: queueMetrics,
    gatherMs: GATHER_MS,
    initial: all,
    sources: [
      ...written.map(({ store }) => storeSource(store, ofObject)),
      storeSource(view.meshConfigs.store, () => [settings]),
      storeSource(view.lastKnown.store, (change) => [change.key.slice(change.key.indexOf('/') + 1)]),
    ],
    reconcile: (name, workSignal) =>
      name === settings ? writeSettings(options, workSignal) : writeForms(name, options, workSignal),
  };
  await reconcile(reconciler, signal);
}

async function writeSettings(options: LastKnownOptions, signal: AbortSignal): Promise<undefined> {
  const { view, collector, revision, systemNamespace } = options;
  const name = settingsMap(revision);
  const recorded = view.lastKnown.store.get(`${systemNamespace}/${name}`)?.settings;
  const text = collector.settingsHistory.recordToWrite(recorded);
  if (text !== undefined) await writeRecord(options, { name, data: settingsData(text) }, signal);
  return undefined;
}

/** Answers when to look again. */
async function writeForms(
  name: string,
  options: LastKnownOptions,
  signal: AbortSignal,
): Promise<Outcome | undefined> {
  const { view, collector, systemNamespace, log } = options;
  const recorded = view.lastKnown.store.get(`${systemNamespace}/${name}`);
  const toWrite = formsToWrite(name, options, recorded?.forms ?? new Map());
  if (toWrite === undefined) return undefined;
  const { data, leftOut } = formsData(toWrite);
  if (leftOut.length > 0)
    log.warn({ name, uids: leftOut }, 'there is no room to record the last good form of these objects');
  if (Object.values(data)[0] !== recorded?.formsText) await writeRecord(options, { name, data }, signal);
  return collector.goodForms.hasEnded ? { againAfterMs: ENDED_KEPT_MS } : undefined;
}

/**
 * Undefined: leave it. Nothing to record may as well mean that the API server has lost a kind for a while. Those that last would be here,
 * all the same.
 */
function formsToWrite(
  name: string,
  { collector, revision }: LastKnownOptions,
  recorded: RecordedForms,
): RecordedForms | undefined {
  const forms = [...collector.goodForms.toRecord()].filter(([uid]) => formsMapOf(revision, uid) === name);
  if (forms.length > 0) return new Map(forms);
  const ofLostKinds = [...recorded].filter(([, all]) => !all.some(({ object }) => object !== undefined));
  return ofLostKinds.length === recorded.size ? undefined : new Map(ofLostKinds);
}

/** Writes one of the ConfigMaps that hold what was last known. */
export async function writeRecord(
  { client, revision, systemNamespace }: Pick<LastKnownOptions, 'client' | 'revision' | 'systemNamespace'>,
  { name, data }: { readonly name: string; readonly data: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<void> {
  const labels = { [LAST_KNOWN_LABEL]: revision, 'app.kubernetes.io/managed-by': 'weft' };
  const metadata = { name, namespace: systemNamespace, labels };
  await terminalOn(['invalid'], applyObject(client, Resources.configMap, { metadata, data }, { signal }));
}
