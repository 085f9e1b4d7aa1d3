import { sleep } from '../../base/index.js';
import type { Replicas, Traffic, WindowName } from '../../telemetry/index.js';
import { printable, type Page } from '../page.js';

export type Output = 'text' | 'wide' | 'json';

export interface ShowOptions {
  readonly replicas: Pick<Replicas, 'ask'>;
  readonly since: WindowName;
  readonly namespace?: string | undefined;
  readonly output: Output;
  /** Asks again every second until it is told to stop. */
  readonly watch: boolean;
  readonly page: Page;
  /** What is shown, for `-o json` and for people. */
  readonly shown: (traffic: Traffic) => Shown;
  readonly write: (text: string) => void;
  /** Whether what was written before can be written over. */
  readonly isTerminal: boolean;
  readonly signal?: AbortSignal;
}

export interface Shown {
  readonly json: unknown;
  readonly table: (options: { readonly page: Page; readonly wide: boolean }) => string;
  readonly rows: number;
}

const EVERY_MS = 1_000;
/** To the upper left corner, and all below it is gone. */
const CLEAR = '\u001b[H\u001b[2J\u001b[3J';

/** Shows traffic once, or again and again. */
export async function show(options: ShowOptions): Promise<void> {
  const { replicas, since, namespace, watch, signal } = options;
  do {
    const traffic = await replicas.ask(since, namespace);
    const text = textOf(traffic, options);
    options.write(watch && options.isTerminal && options.output !== 'json' ? `${CLEAR}${text}` : text);
    if (watch) await sleep(EVERY_MS, signal).catch(() => undefined);
  } while (watch && signal?.aborted !== true);
}

function textOf(traffic: Traffic, { output, page, shown, since }: ShowOptions): string {
  if (output === 'json') return `${JSON.stringify(jsonOf(traffic, { since, shown }))}\n`;
  const { table, rows } = shown(traffic);
  const lines = [
    rows === 0 ? nothing(traffic, since) : table({ page, wide: output === 'wide' }),
    ...traffic.notes.map((note) => page.caution(`note: ${note}`)),
  ];
  return `${printable(lines.join('\n'))}\n`;
}

/** For programs. */
export function jsonOf(traffic: Traffic, { since, shown }: Pick<ShowOptions, 'since' | 'shown'>): object {
  const { proxies, notes } = traffic;
  return { since, proxies, notes, rows: shown(traffic).json };
}

function nothing({ proxies }: Traffic, since: WindowName): string {
  if (proxies === 0)
    return 'No proxy reports to the control plane: are there pods in the mesh? weft status counts them.';
  return `No traffic there in the last ${since}.`;
}
