// Run by e2e/chaos/run.sh in namespaces of its own. Prints the table and writes results.json.
import { writeFile } from 'node:fs/promises';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeNode } from '../netns/network.js';
import { ControlPlaneGround } from './control-plane.js';
import { Network } from './network.js';
import { type Outcome, met, table, toJson, verdict } from './report.js';
import type { Row } from './row.js';
import { CONTROL_PLANE } from './rows/control-plane.js';
import { DISK } from './rows/disk.js';
import { NETWORK } from './rows/network.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' }, // names, with commas between
    output: { type: 'string', default: 'table' },
    out: { type: 'string', default: '.' },
    proxy: { type: 'string', default: 'weft-proxy' },
    app: { type: 'string', default: 'testapp' },
    bundle: { type: 'string', default: 'weft.mjs' },
  },
});

const only = values.only.split(',').filter((name) => name !== '');
const chosen = <G>(rows: readonly Row<G>[]): readonly Row<G>[] =>
  only.length === 0 ? rows : rows.filter(({ name }) => only.includes(name));

function reason(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause === undefined ? thrown.message : `${thrown.message}: ${reason(thrown.cause)}`;
}

/** Plays rows one after the other on one ground; one that cannot be played is missed, and the others go on. */
async function play<G extends { close: (failed: boolean) => Promise<void> }>(
  rows: readonly Row<G>[],
  open: () => Promise<G>,
): Promise<readonly Outcome[]> {
  const picked = chosen(rows);
  if (picked.length === 0) return [];
  const outcomes: Outcome[] = [];
  const ground = await open();
  for (const row of picked) {
    try {
      outcomes.push({ row, played: await row.play(ground) });
    } catch (thrown) {
      outcomes.push({ row, failure: reason(thrown) });
    }
    console.error(table(outcomes.slice(-1)));
  }
  await ground.close(!outcomes.every(met));
  return outcomes;
}

const underPlane = [...CONTROL_PLANE, DISK];
const names = [...NETWORK, ...underPlane].map(({ name }) => name);
const unknown = only.find((name) => !names.includes(name));
if (unknown !== undefined) throw new Error(`no row ${unknown}; there are ${names.join(', ')}`);

const begin = Date.now();
const { proxy, app, bundle } = values;
const programs = { proxy, app, bundle };
await makeNode();
const outcomes = [
  ...(await play(NETWORK, () => Network.open(programs))),
  ...(await play(underPlane, () => ControlPlaneGround.open(programs))),
];

const took = (Date.now() - begin) / 1000;
const file = join(values.out, 'results.json');
const machine = { cpus: cpus().map(({ model }) => model), kernel: release(), loadAverage: loadavg() };
const results = { date: new Date().toISOString(), machine, took, rows: toJson(outcomes) };
await writeFile(file, `${JSON.stringify(results, null, 2)}\n`);
if (values.output === 'json') console.log(JSON.stringify(results, null, 2));
else console.log(`${table(outcomes)}\nin ${took.toFixed(0)} s. ${file}\n${verdict(outcomes)}`);
process.exit(outcomes.every(met) ? 0 : 1); // the control planes' listeners hold the loop
