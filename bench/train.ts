// `bench/run.sh --train`: what every part of the proxy does, counted by a proxy that was built to count, for the compiler
// (proxy/trained/). The work is the benchmark's own, with few rare things and much of what is frequent.
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeNode } from '../e2e/netns/network.js';
import { end } from '../e2e/netns/process.js';
import { GIVEN } from './given.js';
import { grpc, webSocket } from './protocols.js';
import { inFreshPods, layOutBodies } from './round.js';
import { type Choices, weft } from './weft.js';
import { type Work, body, firstAnswer, fixedRate, http1, http2, newConnections, opaque } from './work.js';

const { values } = parseArgs({ options: GIVEN });
/** At its end a proxy writes down what it did; half of that would be taken for all of it. */
const WRITES_SECONDS = 600;
/** Of each load. */
const SECONDS = 2;

async function loads(work: Work, directory: string): Promise<void> {
  await firstAnswer(work);
  await http1(work, { row: 'h1 c=64', connections: 64 });
  await http1(work, { row: 'h1 c=1', connections: 1 });
  await http1(work, { row: '64 KB', connections: 64, path: '/64KB', share: 0.5 });
  await http2(work, { row: 'h2' });
  await fixedRate(work);
  await body(work);
  await opaque(work);
  await newConnections(work);
  await grpc(work, directory, 1);
  await webSocket(work, 1);
}

async function train(choices: Choices): Promise<void> {
  const directory = await mkdtemp('/run/weft-train-');
  await chmod(directory, 0o777);
  await layOutBodies(directory);
  const ending = new AbortController();
  const subject = await weft(values.weft, directory, ending.signal, {
    ...choices,
    settings: { ...choices.settings, LLVM_PROFILE_FILE: join(directory, '%p.profraw') },
  });
  const effort = { directory, seconds: SECONDS, load: values.load, grpcServer: values.testapp };
  await inFreshPods(subject, effort, async (place) => {
    await loads({ ...place, figures: new Map(), seconds: SECONDS, load: values.load }, directory);
    for (const proxy of place.proxies) await end(proxy, 'SIGTERM', WRITES_SECONDS);
  });
  ending.abort();
  const keep = join(values.out, 'train');
  await mkdir(keep, { recursive: true });
  const raw = (await readdir(directory)).filter((name) => name.endsWith('.profraw'));
  for (const file of raw) await copyFile(join(directory, file), join(keep, file));
  console.log(`${raw.length} profiles with`, choices);
  await rm(directory, { recursive: true });
}

await makeNode();
await train({});
await train({ routes: 10, retries: true, settings: { WEFT_ACCESS_LOG: 'enabled' } });
process.exit(0); // the control plane's listeners hold the loop
