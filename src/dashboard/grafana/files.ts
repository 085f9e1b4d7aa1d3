import { CONTROL_PLANE } from './control-plane.js';
import { MESH } from './mesh.js';
import { toGrafana } from './model.js';

const FOLDER = 'charts/weft/files/dashboards';

/** The dashboards of the chart, by their path from the repository's root. */
export function dashboardFiles(): ReadonlyMap<string, string> {
  return new Map(
    [MESH, CONTROL_PLANE].map((dashboard) => [
      `${FOLDER}/${dashboard.uid}.json`,
      `${JSON.stringify(toGrafana(dashboard), null, 2)}\n`,
    ]),
  );
}
