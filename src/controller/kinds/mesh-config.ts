import { meshConfig as api } from '../../api/index.js';
import { ownResource, objectKey, storeSource, type CustomObject } from '../../kube/index.js';
import { collectorsOf, judgeCollectors, type Mesh } from '../../model/index.js';
import { totalAcks } from '../ack-summary.js';
import { standingsOf } from '../acks.js';
import { meshConfigConditions, meshConfigNote } from '../mesh-config-status.js';
import { sameConditions } from '../policy-status.js';
import type { KindRow } from './kind.js';
import { ASKED_FOR, BECAME } from './reasons.js';

/** Every proxy of the mesh answers about it: one write for all of them. */
const GATHER_MS = 500;

/** Whether the Service of that `<namespace>/<name>` is told of requests. */
function isTold(mesh: Mesh, key: string): boolean {
  return collectorsOf(mesh).some(({ service }) => `${service.namespace}/${service.name}` === key);
}

/** In no table: there is one, and `SettingsHistory` makes the settings of the mesh of it. */
export const meshConfig: KindRow<CustomObject> = {
  resource: ownResource(api),
  installedBy: 'weft',
  api,
  access: { read: ASKED_FOR, status: BECAME },
  status: {
    queue: 'mesh-config-status',
    gatherMs: GATHER_MS,
    write: 'apply',
    sources: ({ view, own, collector }) => {
      const all = (): string[] => [...view.meshConfigs.store.values()].map(objectKey);
      const uidOf = (key: string): string => view.meshConfigs.store.get(key)?.metadata.uid ?? '';
      return [
        (due) => own.onChange((uids) => due(all().filter((key) => uids.has(uidOf(key))))),
        storeSource(view.acks.store, all),
        storeSource(view.lastKnown.store, all),
        storeSource(view.services.store, ({ key }) => (isTold(collector.mesh, key) ? all() : [])),
      ];
    },
    judge: ({ collector, own, peers, clock }) => ({
      of: (object) => {
        const { problems, settings } = collector.settingsHistory;
        const { uid, generation } = object.metadata;
        const { replicas, isSettled, againAfterMs } = standingsOf(uid, own, peers);
        const told = judgeCollectors(collector.mesh);
        const facts = { problems, settings, told, acks: totalAcks(replicas, generation), isSettled };
        const conditions = meshConfigConditions(object, facts, clock.now());
        return {
          againAfterMs,
          status: sameConditions(conditions, object.conditions) ? undefined : { conditions },
          note: meshConfigNote(problems, settings),
        };
      },
    }),
  },
};
