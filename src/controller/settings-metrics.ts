import type { Metrics } from '../base/index.js';
import { inUserWords } from '../model/index.js';
import { Kinds, type KindRow } from './kinds/index.js';
import type { Collector } from './collector.js';

const WRITTEN = Object.values<KindRow>(Kinds).filter(({ feed }) => feed?.written === true);

/** Gauges about what is in force in the mesh, and about objects that are not honoured as they are written. */
export function measureSettings(metrics: Metrics, collector: Collector): void {
  metrics.gauge(
    'weft_mesh_settings',
    '1 for the security settings that are in force for the mesh.',
    ['mtls', 'outbound', 'access'],
    (gauge) => {
      gauge.reset();
      gauge.set(inUserWords(collector.settingsHistory.settings), 1);
    },
  );
  metrics.gauge(
    'weft_objects_not_honoured',
    'Objects that are not in force as they are written: their last known form is.',
    ['kind'],
    (gauge) => {
      gauge.set({ kind: 'MeshConfig' }, collector.settingsHistory.problems.length > 0 ? 1 : 0);
      for (const { resource } of WRITTEN) {
        const { kind } = resource;
        gauge.set({ kind }, collector.goodForms.countUnreadable(kind));
      }
    },
  );
}
