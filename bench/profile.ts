// `make bench-profile`: instructions and system calls that one request costs each of Weft's proxies. Each count is taken
// twice, with few requests and with many, and the difference divided: what starting and stopping costs drops out.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PORTS, SERVICE, inPod, makeNode } from './pods.js';
import { inFreshPods } from './round.js';
import { HALVES, type Half } from './subject.js';
import { weft } from './weft.js';
import { firstAnswer } from './work.js';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: '.' },
    load: { type: 'string', default: 'load' },
    weft: { type: 'string', default: 'weft-proxy' },
    envoy: { type: 'string' },
  },
});
const FEW = 500;
const MANY = 3000;

type Counts = ReadonlyMap<string, number>;
interface Tool {
  readonly name: string;
  readonly command: (file: string) => string;
  readonly read: (file: string) => Promise<Counts>;
}

const TOOLS: readonly Tool[] = [
  {
    name: 'callgrind',
    command: (file) => `valgrind --quiet --tool=callgrind --callgrind-out-file=${file}`,
    read: async (file) => {
      const total = /^(?:totals|summary): (\d+)/m.exec(await readFile(file, 'utf8'))?.[1];
      return new Map([['instructions', Number(total)]]);
    },
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

const LOADS: Readonly<Record<string, (requests: number) => string[]>> = {
  'h1 c=1': (requests) => ['--h1', '-c1', `-n${requests}`, `http://${SERVICE}:${PORTS.http1}/`],
  'h1 c=64': (requests) => ['--h1', '-c64', `-n${requests}`, `http://${SERVICE}:${PORTS.http1}/`],
  'h2 c=8 m=16': (requests) => ['-c8', '-m16', `-n${requests}`, `http://${SERVICE}:${PORTS.http2}/`],
};

/** What both proxies did in a run of so many requests. */
async function count(tool: Tool, load: string, requests: number): Promise<Record<Half, Counts>> {
  const directory = await mkdtemp('/run/weft-profile-');
  await chmod(directory, 0o777);
  const file = (half: Half): string => join(directory, `${tool.name}-${half}`);
  const ending = new AbortController();
  const subject = await weft(values.weft, directory, ending.signal, (half) => tool.command(file(half)));
  await inFreshPods(subject, { directory, seconds: 1, load: values.load }, async ({ address, proxies }) => {
    await firstAnswer({ address, proxies, figures: new Map(), seconds: 1, load: values.load });
    const said = await inPod('client', 'h2load', ...(LOADS[load]?.(requests) ?? []));
    if (!said.includes(`${requests} succeeded`)) throw new Error(`h2load met errors:\n${said}`);
    for (const { child } of proxies) {
      const ended = once(child, 'exit');
      // strace stays outside and ends with the program; callgrind is the process itself.
      const inside = spawnSync('pkill', ['-TERM', '-P', String(child.pid)]);
      if (inside.status !== 0) child.kill('SIGTERM');
      await ended;
    }
  });
  ending.abort();
  const keep = join(values.out, 'profiles');
  await mkdir(keep, { recursive: true });
  for (const half of HALVES) {
    await copyFile(
      file(half),
      join(keep, `${tool.name}-${load.replaceAll(/[ =]/g, '')}-${half}-${requests}`),
    );
  }
  return { outbound: await tool.read(file('outbound')), inbound: await tool.read(file('inbound')) };
}

await makeNode();
const results: Record<string, Record<string, number>> = {};
for (const tool of TOOLS) {
  for (const load of Object.keys(LOADS)) {
    const few = await count(tool, load, FEW);
    const many = await count(tool, load, MANY);
    for (const half of HALVES) {
      const each = [...many[half]].map(([name, total]): [string, number] => [
        name,
        Math.round(((total - (few[half].get(name) ?? 0)) / (MANY - FEW)) * 100) / 100,
      ]);
      const row = `${tool.name}, ${load}, ${half}`;
      results[row] = Object.fromEntries(each.filter(([, perRequest]) => perRequest >= 0.02));
      console.log(row, results[row]);
    }
  }
}
await writeFile(join(values.out, 'profile.json'), `${JSON.stringify(results, null, 2)}\n`);
process.exit(0); // the control plane's listeners hold the loop
