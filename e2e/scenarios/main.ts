// Run by e2e/scenarios/run.sh in namespaces of its own. Prints the table and writes results.json.
import { writeFile } from 'node:fs/promises';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeNode } from '../netns/network.js';
import { type Outcome, met, table, toJson, verdict } from './report.js';
import { SCENARIOS } from './rows/index.js';
import type { Figures, Scenario } from './scenario.js';
import { World } from './world.js';

const { values } = parseArgs({
  options: {
    runs: { type: 'string' },
    only: { type: 'string', default: '' }, // names, with commas between
    short: { type: 'boolean', default: false },
    out: { type: 'string', default: '.' },
    proxy: { type: 'string', default: 'weft-proxy' },
    app: { type: 'string', default: 'testapp' },
  },
});
const runs = Number(values.runs ?? (values.short ? 1 : 5));

function chosen(): readonly Scenario[] {
  const names = values.only.split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown !== undefined)
    throw new Error(`no scenario ${unknown}; there are ${SCENARIOS.map(({ name }) => name).join(', ')}`);
  return names.length === 0 ? SCENARIOS : SCENARIOS.filter(({ name }) => names.includes(name));
}

async function once({ name, play }: Scenario): Promise<Figures> {
  const world = await World.open({ proxy: values.proxy, app: values.app });
  let failed = true;
  try {
    const seconds = (usual: number, short: number): number => (values.short ? short : usual);
    const figures = await play({ world, app: values.app, seconds });
    failed = false;
    console.error(`${name}: ${JSON.stringify(figures)}`);
    return figures;
  } finally {
    await world.close(failed);
  }
}

/** A scenario that cannot be played is missed; the others go on. */
async function perform(scenario: Scenario): Promise<Outcome> {
  const done: Figures[] = [];
  try {
    for (let run = 0; run < runs; run++) done.push(await once(scenario));
    return { scenario, runs: done };
  } catch (thrown) {
    console.error(`${scenario.name}:`, thrown);
    return { scenario, runs: done, failure: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}

const begin = Date.now();
await makeNode();
const outcomes: Outcome[] = [];
for (const scenario of chosen()) outcomes.push(await perform(scenario));

const took = (Date.now() - begin) / 1000;
const file = join(values.out, values.short ? 'short.json' : 'results.json');
const machine = { cpus: cpus().map(({ model }) => model), kernel: release(), loadAverage: loadavg() };
const about = { date: new Date().toISOString(), machine, runs, took };
await writeFile(file, `${JSON.stringify({ ...about, scenarios: toJson(outcomes) }, null, 2)}\n`);
console.log(table(outcomes));
console.log(`medians of ${runs} runs, in ${took.toFixed(0)} s. ${file}`);
console.log(verdict(outcomes));
process.exit(outcomes.every(met) ? 0 : 1); // the control planes' listeners hold the loop
