// `bench/run.sh --features --instructions`: how many more instructions a request costs the receiver's proxy with a feature than without,
// counted by callgrind. A busy machine hardly changes them, so they show where a time that was measured comes from, and need
// no rounds. The kernel's part is not in them.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inPod, until } from '../../e2e/netns/process.js';
import { REQUESTS, callgrind, endUnderTool, instructionsIn } from '../callgrind.js';
import { PORTS, SERVICE } from '../pods.js';
import { inFreshPods } from '../round.js';
import type { Subject } from '../subject.js';
import type { Effort } from './cell.js';
import type { Feature } from './feature.js';

const CONNECTIONS = 64;

/** What makes proxies that run their receiver under a command. */
export type Make = (underReceiver: string) => Subject;

/** wrk's scripts mean nothing to h2load. */
export function countable({ wrk = [] }: Feature): boolean {
  return !wrk.includes('-s');
}

/** Instructions of a request in the receiver's proxy. */
export async function instructions(make: Make, feature: Feature, effort: Effort): Promise<number> {
  const few = await counted(REQUESTS.few, make, feature, effort);
  const many = await counted(REQUESTS.many, make, feature, effort);
  return (many - few) / (REQUESTS.many - REQUESTS.few);
}

async function counted(requests: number, make: Make, feature: Feature, effort: Effort): Promise<number> {
  const place = await mkdtemp(join(effort.directory, 'counted-'));
  await chmod(place, 0o777);
  const file = join(place, 'callgrind');
  await inFreshPods(make(callgrind(file)), effort, async ({ proxies }) => {
    await until('a first answer', () => ask(1, feature));
    await ask(requests, feature);
    await endUnderTool(proxies);
  });
  const total = await instructionsIn(file);
  await rm(place, { recursive: true });
  return total;
}

/** Throws unless each of so many requests is answered with a success. */
async function ask(requests: number, { wrk = [] }: Feature): Promise<void> {
  const flags = ['--h1', `-c${Math.min(CONNECTIONS, requests)}`, ...wrk, `-n${requests}`];
  const said = await inPod('client', 'h2load', ...flags, `http://${SERVICE}:${PORTS.http1}/`);
  if (!said.includes(` ${requests} 2xx`)) throw new Error(`h2load met errors:\n${said}`);
}
