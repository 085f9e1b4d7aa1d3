import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { metricsOf, unknownIn } from '../../testing/metric-tables.js';
import { dashboardFiles } from './files.js';

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

interface Imported {
  readonly uid: string;
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly type: string;
    readonly gridPos: Place;
    readonly targets?: readonly {
      readonly refId: string;
      readonly expr: string;
      readonly legendFormat: string;
    }[];
  }[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

const files = [...dashboardFiles()];

test('the chart has the dashboards that are made here; run make generate', () => {
  for (const [path, text] of files) expect(readFileSync(path, 'utf8')).toBe(text);
  expect(readdirSync('charts/weft/files/dashboards')).toHaveLength(files.length);
});

describe.each(files)('%s', (_path, text) => {
  const { panels, templating } = JSON.parse(text) as Imported;
  const queries = panels.flatMap(({ title, targets = [] }) =>
    targets.map((target) => ({ title, ...target })),
  );

  test.each(queries.map(({ title, refId, expr }) => [`${title} ${refId}`, expr]))(
    '%s reads metrics and labels that there are',
    (_name, expr) => {
      expect(metricsOf(expr)).not.toEqual([]);
      expect(unknownIn(expr, new Map())).toEqual([]);
    },
  );

  test('legends name labels that their query leaves', () => {
    for (const { title, expr, legendFormat } of queries) {
      const named = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
      // Where a query sums by nothing, all labels of the target are there.
      const by = /\bby \(/.test(expr) || expr.includes('sum') ? expr.match(/by \(([^)]*)\)/)?.[1] : 'pod';
      expect([title, named.filter((label) => by?.includes(label) !== true)]).toEqual([title, []]);
    }
  });

  test('its panels have places and numbers of their own', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const overlap = (a: Place, b: Place): boolean =>
      a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
    for (const [index, { title, gridPos }] of panels.entries()) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      const others = panels.slice(index + 1).filter((other) => overlap(gridPos, other.gridPos));
      expect([title, others.map((other) => other.title)]).toEqual([title, []]);
    }
  });

  test('it has the variables that it uses, the data source among them, and asks for labels that there are', () => {
    const names = templating.list.map(({ name }) => name);
    const used = [...text.matchAll(/\$\{?(?!__)([a-z]+)/g)].map(([, name = '']) => name);
    expect([...new Set(used)].sort()).toEqual(names.toSorted());
    for (const { definition } of templating.list) {
      const [, selector = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(definition ?? '') ?? [];
      if (definition !== undefined)
        expect(unknownIn(`sum by (${label}) (${selector})`, new Map())).toEqual([]);
    }
  });
});
