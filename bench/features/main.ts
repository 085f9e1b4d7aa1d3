// `make bench-features`, run by bench/run.sh in namespaces of its own: what a feature costs the receiver's proxy, Weft's and Envoy's,
// beside the same proxy without it. Prints a table and writes features.json.
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeNode } from '../../e2e/netns/network.js';
import { startControlPlane } from '../../e2e/scenarios/control-plane.js';
import { ApiServer } from '../../src/testing/index.js';
import { GIVEN } from '../given.js';
import { machine } from '../machine.js';
import { envoy } from '../peers.js';
import { layOutBodies } from '../round.js';
import type { Half, Subject } from '../subject.js';
import { weftBelow } from '../weft.js';
import { type Cell, type Effort, cell, envoyLog, envoyTaps } from './cell.js';
import type { Feature } from './feature.js';
import { signed } from './goals.js';
import { startHelper } from './helper.js';
import { countable, instructions } from './instructions.js';
import { keysScript } from './limits.js';
import { features, keysFile } from './list.js';
import { shop } from './objects.js';
import { type Judged, judged, markdown, table, verdict } from './print.js';
import type { Sample } from './row.js';

const { values } = parseArgs({
  options: {
    ...GIVEN,
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '2' },
    /** Parts of names of rows, separated by semicolons. */
    only: { type: 'string', default: '' },
    /** Counts Weft's instructions instead of measuring time. */
    instructions: { type: 'boolean', default: false },
    /** Prints the table as docs/performance-features.md has it. */
    markdown: { type: 'boolean', default: false },
  },
});
const rounds = values.smoke ? 1 : Number(values.rounds);
const seconds = values.smoke ? 1 : Number(values.seconds);

/** What makes the cells of one row. */
type Make = (name: Sample['subject'], on: boolean) => Promise<Cell>;

async function main(): Promise<boolean> {
  const begin = Date.now();
  const directory = await mkdtemp('/run/weft-features-');
  try {
    await layOut(directory);
    await makeNode();
    await startHelper(values.testapp, directory);
    const wanted = values.only.split(';');
    const rows = features(directory).filter(({ name }) => wanted.some((part) => name.includes(part)));
    if (rows.length === 0) throw new Error(`no row has ${values.only} in its name`);
    if (values.instructions) {
      await countAll(rows, directory);
      return true;
    }
    const broken = new Map<string, string>();
    const samples: Sample[] = [];
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, row] of rows.entries()) {
        const make = cells(row, directory, round);
        samples.push(...(await pairs(row, { round, turn: round + index, make, broken })));
        console.error(`round ${round + 1} of ${rounds}: ${row.name} done, load ${loadavg()[0]?.toFixed(1)}`);
      }
    }
    const all = rows.map((row) => judged(row, samples, broken.get(row.name)));
    await report(all, samples, (Date.now() - begin) / 1000);
    return broken.size === 0;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function layOut(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  await layOutBodies(directory, 1000);
  await writeFile(keysFile(directory), keysScript());
  await writeFile(envoyLog(directory), '');
  await chmod(envoyLog(directory), 0o666);
  await mkdir(dirname(envoyTaps(directory)));
  await chmod(dirname(envoyTaps(directory)), 0o777);
}

interface Turn {
  readonly round: number;
  /** Who comes first is another one each time. */
  readonly turn: number;
  readonly make: Make;
  readonly broken: Map<string, string>;
}

/** A row once: each proxy without the feature and with it, one right after the other. */
async function pairs(row: Feature, { round, turn, make, broken }: Turn): Promise<Sample[]> {
  const subjects: readonly Sample['subject'][] = turn % 2 === 0 ? ['weft', 'envoy'] : ['envoy', 'weft'];
  const samples: Sample[] = [];
  for (const subject of subjects) {
    const order = turn % 4 < 2 ? [false, true] : [true, false];
    const made = new Map<boolean, Cell>();
    try {
      for (const on of order) made.set(on, await make(subject, on));
    } catch (error) {
      // The other rows are worth their time all the same; the run ends with 1.
      broken.set(row.name, `${subject}: ${error instanceof Error ? error.message : String(error)}`);
      console.error(error);
    }
    const [off, on] = [made.get(false), made.get(true)];
    if (off !== undefined && on !== undefined) samples.push({ feature: row.name, subject, round, off, on });
  }
  return samples;
}

function cells(row: Feature, directory: string, round: number): Make {
  const effort: Effort = {
    directory,
    seconds,
    load: values.load,
    testapp: values.testapp,
    everyKey: !values.smoke && round === 0,
  };
  return async (name, on) => {
    const place = await mkdtemp(join(directory, `${name}-`));
    await chmod(place, 0o755);
    try {
      if (name === 'weft') {
        return await underControlPlane(row, on, place, (make) => cell(make(), row, on, effort));
      }
      return await cell(await envoy(values.envoy, place, false, on ? row.envoy : {}), row, on, effort);
    } finally {
      await rm(place, { recursive: true, force: true });
    }
  };
}

/** Has `use` make proxies below a control plane of their own, which reads what users wrote from an API server. */
async function underControlPlane<T>(
  row: Feature,
  on: boolean,
  place: string,
  use: (make: (underReceiver?: string) => Subject) => Promise<T>,
): Promise<T> {
  const api = await ApiServer.start();
  const ending = new AbortController();
  try {
    const objects = [...shop(), ...(on ? (row.weft.objects ?? []) : [])];
    for (const { collection, object } of objects) api.put(collection, object);
    const plane = await startControlPlane(api.url, place, ending.signal);
    const receiver = on ? (row.weft.receiver ?? {}) : {};
    return await use((underReceiver) => {
      const under = (half: Half): string => (half === 'inbound' ? (underReceiver ?? '') : '');
      return weftBelow(plane, values.weft, place, { receiver, under });
    });
  } finally {
    ending.abort();
    await api.stop();
  }
}

/** Prints what each row adds to the instructions of a request. */
async function countAll(rows: readonly Feature[], directory: string): Promise<void> {
  const effort: Effort = { directory, seconds, load: values.load, testapp: values.testapp, everyKey: false };
  for (const row of rows.filter(countable)) {
    const count = async (on: boolean): Promise<number> => {
      const place = await mkdtemp(join(directory, 'weft-'));
      await chmod(place, 0o755);
      return underControlPlane(row, on, place, (make) => instructions(make, row, effort));
    };
    const off = await count(false);
    const on = await count(true);
    const percent = signed((on / off - 1) * 100, 1);
    console.log(
      `${row.name}: ${signed(on - off, 0)} instructions a request, ${percent} % of ${off.toFixed(0)}`,
    );
  }
}

async function report(rows: readonly Judged[], samples: readonly Sample[], took: number): Promise<void> {
  const said = { machine: machine({ envoy: values.envoy }), rounds, seconds, took, rows, samples };
  const file = join(values.out, values.smoke ? 'features-smoke.json' : 'features.json');
  await writeFile(file, `${JSON.stringify(said, null, 2)}\n`);
  console.log(values.markdown ? markdown(rows) : table(rows));
  console.log(`${rounds} rounds, order rotated; median (least-most) of the receiver's proxy. ${file}`);
  const disturbed = samples.flatMap(({ off, on }) => [off, on]).filter((one) => one.disturbed).length;
  console.log(
    `${disturbed} of ${2 * samples.length} samples were taken while others used over 10 % of the machine`,
  );
  console.log(`took ${took.toFixed(0)} s`);
  if (values.smoke) console.log('bench features smoke: rows were measured; nothing is judged');
  else console.log(verdict(rows));
}

process.exit((await main()) ? 0 : 1); // the control planes' listeners hold the loop
