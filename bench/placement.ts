import { execFileSync } from 'node:child_process';
import type { Process } from '../e2e/netns/process.js';

/**
 * Which processors work may use while a load lasts. With two processors for client, two proxies and server it decides much who
 * shares one with whom; lines are judged where the kernel decides, as it does for everybody, and other places are rows of their own.
 * - `any`: as the kernel likes.
 * - `apart`: both proxies one processor, client and server another. Throughput is what a processor is worth to the proxies.
 * - `pods`: each pod its own, as if they were on two nodes.
 * - `one`: everything the same processor.
 * - `two`: everything the same two processors, on which the kernel places; `any` where there are no more.
 */
export type Placement = 'any' | 'apart' | 'pods' | 'one' | 'two';

/** Who has which processors, by lists as `taskset --cpu-list` takes them. */
interface Places {
  readonly client: string;
  readonly outbound: string;
  readonly inbound: string;
  readonly server: string;
}

/** The processors this process may use, each by its number. */
function allowed(): string[] {
  const list = execFileSync('taskset', ['--cpu-list', '--pid', String(process.pid)], { encoding: 'utf8' });
  return (list.split(':').at(-1) ?? '').split(',').flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => String(first + index));
  });
}

/** Placed work has never more than two, so that a larger machine measures the same; a machine with one has no choice. */
const ALLOWED = allowed();
const [FIRST = '0', SECOND = FIRST] = ALLOWED;
const BOTH = `${FIRST},${SECOND}`;
const ALL = ALLOWED.join(',');
const PLACES: Readonly<Record<Placement, Places>> = {
  apart: { client: FIRST, outbound: SECOND, inbound: SECOND, server: FIRST },
  pods: { client: FIRST, outbound: FIRST, inbound: SECOND, server: SECOND },
  one: { client: FIRST, outbound: FIRST, inbound: FIRST, server: FIRST },
  two: { client: BOTH, outbound: BOTH, inbound: BOTH, server: BOTH },
  any: { client: ALL, outbound: ALL, inbound: ALL, server: ALL },
};

/** Puts the processes that live there, all their threads; gives what a client's command begins with to run there too. */
export function place(
  placement: Placement,
  { proxies, servers }: { readonly proxies: readonly Process[]; readonly servers: readonly Process[] },
): readonly string[] {
  const places = PLACES[placement];
  const put = ({ pid }: Process, list: string): void => {
    execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', list, String(pid)]);
  };
  for (const proxy of proxies) put(proxy, proxy.name === 'outbound' ? places.outbound : places.inbound);
  for (const server of servers) put(server, places.server);
  return ['taskset', '--cpu-list', places.client];
}
