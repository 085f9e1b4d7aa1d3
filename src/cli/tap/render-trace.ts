import { plural, type Page } from '../page.js';
import type { Event } from './event.js';
import { msOf, verdictOf } from './render.js';
import type { Trace } from './trace.js';

/** A traced request as text for people, as `weft explain` shows one that nobody has sent. */
export function renderTrace(trace: Trace, page: Page): string {
  const { caller, receivers, notes } = trace;
  const parts = [heading(trace, page), stagesOf('Caller', caller, page), attemptsOf(caller, page)];
  for (const { pod, event } of receivers) {
    const title = `Receiver ${pod}, ${event.destination}`;
    parts.push(`${stagesOf(title, event, page)}\n${page.faint(ending(event, page))}`);
  }
  const ends = [ending(caller, page), ...notes.map((note) => page.faint(`note: ${note}`))];
  return [...parts, ends.join('\n')].filter((part) => part !== '').join('\n\n');
}

function heading({ from, caller }: Trace, page: Page): string {
  const { method, authority, path, destination, route, backend } = caller;
  const by = route === '' ? '' : `, by route ${route}`;
  const of = backend === '' || backend === destination ? '' : `, backend ${backend}`;
  return [
    page.strong(`${from} -> ${method} http://${authority}${path}`),
    `at   ${caller.time}`,
    `to   ${destination}${by}${of}`,
    `as   ${caller.caller}`,
  ].join('\n');
}

function stagesOf(title: string, { stages }: Event, page: Page): string {
  const rows = stages.map(({ stage, verdict, tookMs, rule = '' }) => [
    stage,
    coloured(verdict, page),
    msOf(tookMs),
    rule,
  ]);
  return `${page.strong(title)}\n${page.table(['STAGE', 'VERDICT', 'TIME', 'RULE'], rows)}`;
}

function coloured(verdict: string, page: Page): string {
  if (verdict === 'go') return page.good(verdict);
  return verdict === 'refuse' ? page.bad(verdict) : page.caution(verdict);
}

function attemptsOf({ attempts }: Event, page: Page): string {
  if (attempts.length === 0) return '';
  const rows = attempts.map(({ endpoint, result, tookMs }, index) => [
    String(index + 1),
    endpoint,
    result,
    msOf(tookMs),
  ]);
  return `${page.strong('Attempts')}\n${page.table(['', 'ENDPOINT', 'RESULT', 'TIME'], rows)}`;
}

function ending(event: Event, page: Page): string {
  const status = event.status === undefined ? '' : ` ${event.status}`;
  const after = event.attempts.length > 1 ? ` and ${plural(event.attempts.length, 'attempt')}` : '';
  return `Status${status} after ${msOf(event.durationMs)}${after}: ${verdictOf(event, page)}.`;
}
