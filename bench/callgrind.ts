import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Process } from '../e2e/netns/process.js';

/** The command to run a program under, which writes into `file` what it counted when the program ends. */
export function callgrind(file: string): string {
  return `valgrind --quiet --tool=callgrind --callgrind-out-file=${file}`;
}

/** How many instructions `file` says that a program ran, from its start to its end. */
export async function instructionsIn(file: string): Promise<number> {
  return Number(/^(?:totals|summary): (\d+)/m.exec(await readFile(file, 'utf8'))?.[1]);
}

/**
 * How many requests are few and how many are many, of which the difference is divided. So many that what starting a proxy costs,
 * which differs by some million instructions from time to time, is no part of a request any more: with 3,000 the same program
 * differed by 8 %, with these by 0.5 %.
 */
export const REQUESTS = { few: 500, many: 20_500 } as const;

/** Ends proxies that run under a tool, and waits until it has written what it found. */
export async function endUnderTool(proxies: readonly Process[]): Promise<void> {
  for (const { child } of proxies) {
    const ended = once(child, 'exit');
    // strace stays outside and ends with the program; callgrind is the process itself.
    const inside = spawnSync('pkill', ['-TERM', '-P', String(child.pid)]);
    if (inside.status !== 0) child.kill('SIGTERM');
    await ended;
  }
}
