// `make bench-flame`: where the time of requests goes, by call stack, as a flame graph of each of Weft's proxies
// (https://www.brendangregg.com/flamegraphs.html). Samples what the processor does, kernel included, while HTTP/1.1 is busy.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeNode } from '../e2e/netns/network.js';
import { inPod } from '../e2e/netns/process.js';
import { GIVEN } from './given.js';
import { PORTS, SERVICE } from './pods.js';
import { inFreshPods, layOutBodies } from './round.js';
import { weft } from './weft.js';
import { firstAnswer } from './work.js';

const { values } = parseArgs({
  options: {
    ...GIVEN,
  },
});
const SECONDS = 5;
/** A prime, so that nothing that happens a thousand times a second is always met, or never. */
const PER_SECOND = 997;

/** A function, and what was called by it. */
interface Frame {
  samples: number;
  readonly calls: Map<string, Frame>;
}

const frame = (): Frame => ({ samples: 0, calls: new Map() });

/** Sums the stacks that `perf script` prints: a line without indent begins a sample, and its frames follow, innermost first. */
function fold(script: string): Frame {
  const root = frame();
  for (const sample of script.split(/\n\n+/)) {
    const stack = [...sample.matchAll(/^\s+[\da-f]+ (.+?) \([^()]*\)$/gm)].map(([, name]) =>
      short(name ?? ''),
    );
    if (stack.length === 0) continue;
    let at = root;
    at.samples++;
    for (const name of stack.reverse()) {
      const next = at.calls.get(name) ?? frame();
      at.calls.set(name, next);
      at = next;
      at.samples++;
    }
  }
  return root;
}

/** Without offset, type parameters and the names of closures. */
function short(name: string): string {
  let plain = name.replace(/\+0x[\da-f]+$/, '').replace(/^<([\w:]+).* as .*>::/, '$1::');
  for (let before = ''; before !== plain;) {
    before = plain;
    plain = plain.replace(/<[^<>]*>/g, '');
  }
  return plain.replace(/(::)?\{\{closure\}\}/g, '').replace(/::h[\da-f]{16}$/, '') || name;
}

/** Pixels; what is narrower than the last is left out. */
const [WIDTH, ROW, LEAST] = [1200, 15, 2];

function draw(root: Frame, title: string): string {
  const boxes: string[] = [];
  let deepest = 0;
  const place = (name: string, { samples, calls }: Frame, x: number, depth: number): void => {
    const width = (samples / root.samples) * WIDTH;
    if (width < LEAST) return;
    deepest = Math.max(deepest, depth);
    const share = ((100 * samples) / root.samples).toFixed(1);
    const text = escape(name.slice(0, Math.max(0, Math.floor(width / 6.2))));
    boxes.push(
      `<g transform="translate(${x.toFixed(1)} ${depth * ROW})"><title>${escape(name)}: ${share} %</title>` +
        `<rect width="${width.toFixed(1)}" height="${ROW - 1}" fill="${colour(name)}"/><text x="2" y="11">${text}</text></g>`,
    );
    let from = x;
    for (const [called, inner] of [...calls].sort(([a], [b]) => a.localeCompare(b))) {
      place(called, inner, from, depth + 1);
      from += (inner.samples / root.samples) * WIDTH;
    }
  };
  place(`${title}: ${root.samples} samples`, root, 0, 0);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${(deepest + 1) * ROW}" font-family="monospace" font-size="10">
${boxes.join('\n')}
</svg>
`;
}

/** Our own code, its libraries, and the kernel. */
function colour(name: string): string {
  if (name.includes('weft_proxy')) return '#5eead4';
  return name.includes('::') ? '#fdba74' : '#cbd5e1';
}

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

await makeNode();
const directory = await mkdtemp('/run/weft-flame-');
await chmod(directory, 0o755);
await layOutBodies(directory, 1000);
const ending = new AbortController();
const subject = await weft(values.weft, directory, ending.signal);
await inFreshPods(subject, { directory, seconds: 1, load: values.load }, async ({ address, proxies }) => {
  await firstAnswer({ address, load: values.load });
  const recordings = proxies.map(({ pid, name }) => {
    const how = ['-q', '-F', String(PER_SECOND), '-e', 'cpu-clock', '--call-graph', 'dwarf,16384'];
    const data = join(directory, `${name}.perf`);
    const until = ['--', 'sleep', String(SECONDS - 1)];
    return { name, data, child: spawn('perf', ['record', ...how, '-p', String(pid), '-o', data, ...until]) };
  });
  const url = `http://${SERVICE}:${PORTS.http1}/`;
  const load = inPod('client', 'wrk', '-t1', '-c64', `-d${SECONDS}s`, url);
  await Promise.all(recordings.map(({ child }) => once(child, 'exit')));
  await load;
  for (const { name, data } of recordings) {
    const script = execFileSync('perf', ['script', '-i', data, '-F', 'ip,sym,dso'], {
      encoding: 'utf8',
      maxBuffer: 1 << 30,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const file = join(values.out, `flame-${name}.svg`);
    await writeFile(file, draw(fold(script), `${name}, HTTP/1.1 c=64`));
    console.log(file);
  }
});
ending.abort();
process.exit(0); // the control plane's listeners hold the loop
