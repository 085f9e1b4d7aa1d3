// `bench/run.sh --order`: which functions of the proxy run, for the linker to put side by side (proxy/trained/order.ld).
// A page of code that is touched makes sixteen resident, so scattered functions cost memory that nobody needs.
import { chmod, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { makeNode } from '../e2e/netns/network.js';
import { end, inPod } from '../e2e/netns/process.js';
import { GIVEN } from './given.js';
import { PORTS, SERVICE } from './pods.js';
import { inFreshPods, layOutBodies } from './round.js';
import { HALVES } from './subject.js';
import { weft } from './weft.js';
import { firstAnswer } from './work.js';

const { values } = parseArgs({
  options: {
    ...GIVEN,
    write: { type: 'string', default: 'proxy/trained/order.ld' },
  },
});
/** Enough for large reads and writes, and little enough under valgrind. */
const BODY_BYTES = 4_000_000;
/** Long enough for everything that an idle proxy does once in a while. */
const IDLE_MILLIS = 70_000;
/** At its end a proxy under valgrind writes down what it did; half of that would be taken for all of it. */
const WRITES_SECONDS = 600;

/** Own instructions by function, of both proxies together. */
type Costs = Map<string, number>;

/** Names are written once, with a number that stands for them afterwards. */
function reader(): (id: string, name: string | undefined) => string {
  const names = new Map<string, string>();
  return (id, name) => {
    if (name !== undefined) names.set(id, name.replace(/'\d+$/, '')); // '2: of a recursion
    return names.get(id) ?? '';
  };
}

/** Adds what a profile of callgrind says: lines of cost belong to the last `fn=`, but the one after `calls=` is the callee's. */
function add(costs: Costs, profile: string): void {
  const named = reader();
  let [current, called] = ['', false];
  for (const line of profile.split('\n')) {
    const [, key, id = '', name] = /^(c?fn)=\((\d+)\)(?: (.*))?$/.exec(line) ?? [];
    if (key !== undefined) {
      const resolved = named(id, name);
      if (key === 'fn') current = resolved;
    } else if (line.startsWith('calls=')) called = true;
    else if (/^[+\-*\d]/.test(line)) {
      if (!called) costs.set(current, (costs.get(current) ?? 0) + Number(line.split(' ').at(-1)));
      called = false;
    }
  }
}

async function busy(): Promise<void> {
  const url = (port: number): string => `http://${SERVICE}:${port}/`;
  await inPod('client', 'h2load', '--h1', '-c16', '-n800', url(PORTS.http1));
  await inPod('client', 'h2load', '-c4', '-m8', '-n800', url(PORTS.http2));
  await inPod('client', values.load, 'get', `${SERVICE}:${PORTS.http1}`, '/100MB', '1');
  await inPod('client', values.load, 'ping', `${SERVICE}:${PORTS.opaque}`, '0.5');
  await inPod('client', values.load, 'pour', `${SERVICE}:${PORTS.opaque}`, '4');
}

/** What runs from start to end of both proxies, which once answer a request and then `live`. */
async function run(live: () => Promise<unknown>): Promise<Costs> {
  const directory = await mkdtemp('/run/weft-order-');
  await chmod(directory, 0o777);
  await layOutBodies(directory, BODY_BYTES);
  const ending = new AbortController();
  const file = (half: string): string => join(directory, `callgrind-${half}`);
  const subject = await weft(values.weft, directory, ending.signal, {
    under: (half) => `valgrind --quiet --tool=callgrind --demangle=no --callgrind-out-file=${file(half)}`,
  });
  await inFreshPods(subject, { directory, seconds: 1, load: values.load }, async ({ address, proxies }) => {
    await firstAnswer({ address, load: values.load });
    await live();
    for (const proxy of proxies) await end(proxy, 'SIGTERM', WRITES_SECONDS);
  });
  ending.abort();
  const costs: Costs = new Map();
  for (const half of HALVES) add(costs, await readFile(file(half), 'utf8'));
  return costs;
}

await makeNode();
const short = await run(() => Promise.resolve());
const idle = await run(() => sleep(IDLE_MILLIS));
const loaded = await run(busy);

/**
 * Functions that a life is about: it costs so many times what the short one does, from which any other differs a little by
 * chance. The busiest come first.
 */
function about(life: Costs, times: number): string[] {
  const grown = (name: string): number => (life.get(name) ?? 0) - times * (short.get(name) ?? 0);
  return [...life.keys()].filter((name) => grown(name) > 0).sort((a, b) => grown(b) - grown(a));
}
// What starting does, an idle proxy may do once more.
const inIdle = about(idle, 1.05);
const inBusy = about(loaded, 1.5);

// What runs even in a proxy that has nothing to do is always resident, so it should lie closest together; then comes
// what requests need, and at last what only starts and ends the proxy or a connection.
const inOrder = new Set([...inIdle, ...inBusy, ...short.keys(), ...idle.keys(), ...loaded.keys()]);
const symbols = [...inOrder].filter((name) => /^[A-Za-z_][\w$.]*$/.test(name));
// The hash at the end of a Rust name changes with each dependency; what is before it seldom does.
const sections = new Set(symbols.map((name) => `.text.${name.replace(/17h[\da-f]{16}E$/, '17h*')}`));
await writeFile(
  values.write,
  `/* Written by bench/run.sh --order: functions that run in an idle proxy, then in a busy one. docs/memory.md says what for. */
SECTIONS {
  .text.ordered : {
${[...sections].map((section) => `    *(${section})`).join('\n')}
  }
}
INSERT BEFORE .text;
`,
);
console.log(
  `${sections.size} functions in ${values.write}, of which ${inIdle.length} run in an idle proxy and ${inBusy.length} in a busy one`,
);
process.exit(0); // the control plane's listeners hold the loop
