// `make bench-profile`: instructions and system calls that one request costs each of Weft's proxies. Each count is taken
// twice, with few requests and with many, and the difference divided: what starting and stopping costs drops out.
// With --accepted it compares instructions with the figures of that file, and fails where they rose.
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeNode } from '../e2e/netns/network.js';
import { inPod } from '../e2e/netns/process.js';
import { REQUESTS, callgrind, endUnderTool, instructionsIn } from './callgrind.js';
import { GIVEN } from './given.js';
import { PORTS, SERVICE } from './pods.js';
import { inFreshPods, layOutBodies } from './round.js';
import { HALVES, type Half } from './subject.js';
import { weft } from './weft.js';
import { firstAnswer } from './work.js';

const { values } = parseArgs({
  options: {
    ...GIVEN,
    only: { type: 'string', default: '' }, // part of `<tool>, <load>`
    accepted: { type: 'string' },
  },
});

type Counts = ReadonlyMap<string, number>;
interface Tool {
  readonly name: string;
  readonly command: (file: string) => string;
  readonly read: (file: string) => Promise<Counts>;
}

const TOOLS: readonly Tool[] = [
  {
    name: 'callgrind',
    command: callgrind,
    read: async (file) => new Map([['instructions', await instructionsIn(file)]]),
  },
  {
    name: 'strace',
    command: (file) => `strace --follow-forks --summary-only --output=${file}`,
    read: async (file) => {
      const rows = (await readFile(file, 'utf8')).matchAll(
        /^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$/gm,
      );
      return new Map([...rows].map(([, calls, name]) => [name ?? '', Number(calls)]));
    },
  },
];

/** A load that can be asked for exactly so many requests. */
interface Load {
  readonly name: string;
  readonly few: number;
  readonly many: number;
  readonly tools: readonly string[];
  readonly run: (requests: number) => Promise<void>;
}

function small(name: string, port: number, ...flags: readonly string[]): Load {
  const run = async (requests: number): Promise<void> => {
    const said = await inPod('client', 'h2load', ...flags, `-n${requests}`, `http://${SERVICE}:${port}/`);
    if (!said.includes(`${requests} succeeded`)) throw new Error(`h2load met errors:\n${said}`);
  };
  return { name, ...REQUESTS, tools: ['callgrind', 'strace'], run };
}

const LOADS: readonly Load[] = [
  small('h1 c=1', PORTS.http1, '--h1', '-c1'),
  small('h1 c=64', PORTS.http1, '--h1', '-c64'),
  small('h2 c=8 m=16', PORTS.http2, '-c8', '-m16'),
  {
    name: '100 MB',
    few: 1,
    many: 3,
    tools: ['strace'], // by then callgrind would take minutes
    run: async (requests) => {
      await inPod('client', values.load, 'get', `${SERVICE}:${PORTS.http1}`, '/100MB', String(requests));
    },
  },
  {
    name: '100 MB of opaque TCP',
    few: 1,
    many: 3,
    tools: ['strace'],
    run: async (requests) => {
      await inPod('client', values.load, 'pour', `${SERVICE}:${PORTS.opaque}`, String(100 * requests));
    },
  },
];

/** What both proxies did in a run of so many requests. */
async function count(tool: Tool, load: Load, requests: number): Promise<Record<Half, Counts>> {
  const directory = await mkdtemp('/run/weft-profile-');
  await chmod(directory, 0o777);
  await layOutBodies(directory);
  const file = (half: Half): string => join(directory, `${tool.name}-${half}`);
  const ending = new AbortController();
  const subject = await weft(values.weft, directory, ending.signal, {
    under: (half) => tool.command(file(half)),
  });
  await inFreshPods(subject, { directory, seconds: 1, load: values.load }, async ({ address, proxies }) => {
    await firstAnswer({ address, load: values.load });
    await load.run(requests);
    await endUnderTool(proxies);
  });
  ending.abort();
  await rm(join(directory, '100MB'));
  const keep = join(values.out, 'profiles');
  await mkdir(keep, { recursive: true });
  for (const half of HALVES) {
    await copyFile(
      file(half),
      join(keep, `${tool.name}-${load.name.replaceAll(/[ =]/g, '')}-${half}-${requests}`),
    );
  }
  return { outbound: await tool.read(file('outbound')), inbound: await tool.read(file('inbound')) };
}

function wanted(tool: Tool, { name, tools }: Load): boolean {
  return tools.includes(tool.name) && `${tool.name}, ${name}`.includes(values.only);
}

type Row = Readonly<Record<string, number>>;

/** What one request of `load` costs each proxy, by name. */
async function each(tool: Tool, load: Load): Promise<Record<Half, Row>> {
  const few = await count(tool, load, load.few);
  const many = await count(tool, load, load.many);
  const row = (half: Half): Row => {
    const all = [...many[half]].map(([name, total]): [string, number] => [
      name,
      Math.round(((total - (few[half].get(name) ?? 0)) / (load.many - load.few)) * 100) / 100,
    ]);
    return Object.fromEntries(all.filter(([, perRequest]) => perRequest >= 0.02));
  };
  return { outbound: row('outbound'), inbound: row('inbound') };
}

async function profile(): Promise<void> {
  const results: Record<string, Row> = {};
  for (const tool of TOOLS) {
    for (const load of LOADS.filter((one) => wanted(tool, one))) {
      const rows = await each(tool, load);
      for (const half of HALVES) {
        const row = `${tool.name}, ${load.name}, ${half}`;
        results[row] = rows[half];
        console.log(row, results[row]);
      }
    }
  }
  await writeFile(join(values.out, 'profile.json'), `${JSON.stringify(results, null, 2)}\n`);
}

/**
 * What a figure may rise before somebody must say why. The same program differs by 2 % between an idle machine and a busy one,
 * where batches are smaller.
 */
const MAY_RISE = 1.05;

/** Compares instructions of a request with the figures that were accepted. */
async function guard(file: string): Promise<boolean> {
  const accepted = JSON.parse(await readFile(file, 'utf8')) as Record<string, Record<Half, number>>;
  const counting = TOOLS.find(({ name }) => name === 'callgrind');
  if (counting === undefined) throw new Error('there is no callgrind to count with');
  let good = true;
  for (const [name, limits] of Object.entries(accepted)) {
    const load = LOADS.find((one) => one.name === name);
    if (load === undefined) throw new Error(`${file} names a load that does not exist: ${name}`);
    const rows = await each(counting, load);
    for (const half of HALVES) {
      const seen = Math.round(rows[half]['instructions'] ?? Number.NaN);
      const change = ((seen / limits[half] - 1) * 100).toFixed(1);
      console.log(`${name}, ${half}: ${seen} instructions a request, accepted ${limits[half]} (${change} %)`);
      if (!(seen <= limits[half] * MAY_RISE)) good = false;
    }
  }
  if (!good) {
    console.error(
      `A request costs over 5 % more instructions than accepted. Where code, dependencies or Rust changed, train again (make
train). If that is not why, find out (bench/run.sh --profile, then callgrind_annotate), or accept it: put the figures
into ${file}, and the reason into docs/performance.md.`,
    );
  }
  return good;
}

await makeNode();
const good = values.accepted === undefined ? (await profile(), true) : await guard(values.accepted);
process.exit(good ? 0 : 1); // the control plane's listeners hold the loop
