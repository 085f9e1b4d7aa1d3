import type { Dashboard, Panel, Query, Row, Variable } from './panel.js';

/** Grafana 11 reads this version as it is, later ones bring it up to theirs when they load it. */
const SCHEMA_VERSION = 39;
const COLUMNS = 24;
const HEIGHT = { timeseries: 8, stat: 4, table: 9 } as const;

/** The data source is a variable, so that a dashboard fits every installation. */
const SOURCE = { type: 'prometheus', uid: '${datasource}' } as const;

/** A dashboard as Grafana imports it. */
export function toGrafana(dashboard: Dashboard): object {
  const { uid, title, description, variables, rows } = dashboard;
  return {
    uid,
    title,
    description,
    tags: ['weft'],
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    schemaVersion: SCHEMA_VERSION,
    time: { from: 'now-1h', to: 'now' },
    timezone: '',
    links: [
      {
        type: 'dashboards',
        title: 'Weft',
        tags: ['weft'],
        asDropdown: true,
        includeVars: true,
        keepTime: true,
      },
    ],
    annotations: { list: [] },
    templating: { list: [source(), ...variables.map(variable)] },
    panels: layOut(rows),
  };
}

function source(): object {
  return { type: 'datasource', name: 'datasource', label: 'Data source', query: 'prometheus', refresh: 1 };
}

function variable({ name, label, query }: Variable): object {
  return {
    type: 'query',
    name,
    label,
    datasource: SOURCE,
    definition: query,
    query: { query, refId: `variable-${name}` },
    // When the range of time changes, so that what is gone can be chosen.
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: ['All'], value: ['$__all'] },
  };
}

/** Rows one below the other, panels beside each other as far as they fit. */
function layOut(rows: readonly Row[]): readonly object[] {
  const placed: object[] = [];
  let y = 0;
  for (const { title, panels } of rows) {
    placed.push({
      id: placed.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: 24, h: 1 },
      panels: [],
    });
    y += 1;
    let x = 0;
    let tallest = 0;
    for (const panel of panels) {
      const w = panel.width ?? (panel.kind === 'stat' ? 4 : 8);
      if (x + w > COLUMNS) {
        y += tallest;
        x = tallest = 0;
      }
      const h = HEIGHT[panel.kind];
      placed.push({ id: placed.length + 1, ...render(panel), gridPos: { x, y, w, h } });
      x += w;
      tallest = Math.max(tallest, h);
    }
    y += tallest;
  }
  return placed;
}

function render({ title, description, kind, unit, queries }: Panel): object {
  return {
    type: kind,
    title,
    ...(description === undefined ? {} : { description }),
    datasource: SOURCE,
    fieldConfig: {
      defaults: { unit, ...(unit === 'percentunit' ? { min: 0, max: 1 } : { min: 0 }) },
      overrides: [],
    },
    ...LOOKS[kind],
    targets: queries.map((query, index) => target(query, index, kind)),
  };
}

const LOOKS = {
  timeseries: {
    options: {
      legend: { displayMode: 'list', placement: 'bottom' },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  },
  stat: { options: { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'none', graphMode: 'area' } },
  table: {
    options: { showHeader: true },
    // One table of all queries, a column for each.
    transformations: [{ id: 'merge', options: {} }],
  },
} as const;

function target({ expr, legend }: Query, index: number, kind: Panel['kind']): object {
  return {
    refId: String.fromCharCode('A'.charCodeAt(0) + index),
    datasource: SOURCE,
    expr,
    legendFormat: legend ?? '__auto',
    ...(kind === 'table' ? { format: 'table', instant: true, range: false } : { range: true }),
  };
}
