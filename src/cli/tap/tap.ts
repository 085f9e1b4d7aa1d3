import type { KubeClient } from '../../kube/index.js';
import { demandInspection } from '../inspect/ask.js';
import { demandProxies, findPods } from '../inspect/pods.js';
import { plural, printable, type Page } from '../page.js';
import type { Event } from './event.js';
import { follow } from './follow.js';
import { lastsMs, questionOf, type Filters } from './question.js';
import { renderEvent } from './render.js';

/** As they are typed. */
export interface TapFlags extends Filters {
  readonly namespace: string;
  readonly max: number;
  readonly rate: number;
  readonly for: string;
  readonly headers: boolean;
  readonly output: 'text' | 'json';
}

export interface TapOptions extends TapFlags {
  readonly client: KubeClient;
  readonly page: Page;
  /** `pod/NAME`, `deploy/NAME` and the like, or `ns/NAME`. */
  readonly target: string;
  /** For requests. */
  readonly write: (text: string) => void;
  /** For what is said about them. */
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Shows requests as they end, until there were enough or `signal` is given. */
export async function tap(options: TapOptions): Promise<void> {
  const { client, target, namespace, max, rate, note } = options;
  const ms = lastsMs('--for', options.for);
  const question = { ...questionOf(options, namespace), max, rate, seconds: Math.ceil(ms / 1_000) };
  const pods = async (): Promise<Awaited<ReturnType<typeof findPods>>> =>
    demandProxies(await findPods(client, target, namespace));
  const [first] = await pods();
  await demandInspection(client, first?.metadata.namespace ?? namespace);
  const enough = new AbortController();
  const signal = AbortSignal.any([options.signal, enough.signal, AbortSignal.timeout(ms)]);
  let shown = 0;
  const show = (event: Event, pod: string): void => {
    if (shown >= max) return;
    shown += 1;
    options.write(`${printable(textOf(event, pod, options))}\n`);
    if (shown >= max) enough.abort();
  };
  const followed = await follow({
    client,
    pods,
    question,
    signal,
    onEvent: (event, { metadata }) => show(event, metadata.name),
    onWatching: (proxies) => {
      if (proxies === 1) note(`watching ${target}; end with Ctrl-C`);
    },
  });
  for (const text of followed.notes) note(text);
  const left = followed.leftOut;
  note(
    `${plural(shown, 'request')} of ${plural(followed.proxies, 'proxy', 'proxies')}${left === 0 ? '' : `; ${left} left out, as each proxy tells of ${rate} a second at most (--rate)`}`,
  );
}

function textOf(event: Event, pod: string, { output, headers, showHeader, page }: TapOptions): string {
  if (output === 'json') return JSON.stringify({ pod, ...event });
  return renderEvent(event, pod, { headers, names: showHeader.map((name) => name.toLowerCase()) }, page);
}
