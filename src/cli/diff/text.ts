import { plural, type Page } from '../page.js';
import type { AccessChange } from './access-changes.js';
import { isEmpty, type Difference } from './compare.js';
import type { Change } from './leaves.js';
import type { Touched } from './touched.js';

/** Lines of one section; more are counted. */
const MOST = 40;

/** A difference for a person. */
export function differenceText(difference: Difference, page: Page): string {
  const { applied, destinations, workloads, access, touched, found, mended, notes } = difference;
  const sections = [
    applied.map(({ object, change }) => `${page.strong(object)} ${change}`),
    section(
      page.strong('What callers do'),
      destinations.flatMap(({ service, callers, change, changes }) => [
        `  Service ${service}, callers ${callers === 'everywhere' ? callers : `in ${callers}`}${change === 'changed' ? '' : `: ${change}`}`,
        ...lines(changes, page),
      ]),
    ),
    section(
      page.strong('What pods do with calls to them'),
      workloads.flatMap(({ pods, changes }) => [`  ${podsText(pods)}`, ...lines(changes, page)]),
    ),
    section(page.strong('Who is let in'), accessLines(access, page)),
    isEmpty(difference) || touched === undefined ? [] : touchedLines(touched, page),
    section(page.strong('What weft analyze would find'), [
      ...found.map(
        ({ code, severity, object, path, message }) =>
          `  ${page.caution('+')} ${severity} ${code} ${object} ${path}: ${message}`,
      ),
      ...mended.map(({ code, object, path }) => `  ${page.good('-')} ${code} ${object} ${path}: is mended`),
    ]),
    notes.map((note) => page.faint(`note: ${note}`)),
  ];
  return [
    ...sections.filter((list) => list.length > 0).map((list) => list.join('\n')),
    summary(difference, page),
  ].join('\n\n');
}

function section(title: string, all: readonly string[]): readonly string[] {
  if (all.length === 0) return [];
  const more = all.length - MOST;
  return [
    title,
    ...all.slice(0, MOST),
    ...(more > 0 ? [`  ... and ${plural(more, 'line')} more; -o json has all`] : []),
  ];
}

function lines(changes: readonly Change[], page: Page): readonly string[] {
  return changes.map(({ what, before, after }) => {
    if (before === undefined) return `    ${page.good('+')} ${what}: ${after ?? ''}`;
    if (after === undefined) return `    ${page.bad('-')} ${what}: ${before}`;
    return `    ${page.caution('~')} ${what}: ${before} -> ${after}`;
  });
}

function podsText(pods: readonly string[]): string {
  const shown = pods.slice(0, 3).join(', ');
  return `${plural(pods.length, 'pod')}: ${shown}${pods.length > 3 ? ', ...' : ''}`;
}

/** Requests of one caller to one port that are decided alike, in a line. */
function accessLines(access: readonly AccessChange[], page: Page): readonly string[] {
  const groups = Map.groupBy(access, ({ caller, service, allowed, by }) =>
    JSON.stringify([caller, service, allowed, by]),
  );
  return [...groups.values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined) return [];
    const word = first.allowed ? page.good('allowed') : page.bad('refused');
    const requests = same.map(({ request }) => request);
    const shown = requests.slice(0, 4).join('; ');
    return [
      `  ${word} from now on: ${first.caller} -> ${first.service}: ${shown}${requests.length > 4 ? '; ...' : ''} (by ${first.by.join(', ')})`,
    ];
  });
}

/** Traffic that the change is about. */
function touchedLines({ minutes, sent, received, judged }: Touched, page: Page): readonly string[] {
  const lately = `the last ${plural(minutes, 'minute')}`;
  const all = [
    ...sent.map(
      (one) =>
        `  ${count(one)} of ${one.caller} to ${one.service}${one.route === '' ? '' : ` on route ${one.route}`}`,
    ),
    ...received.map((one) => `  ${count(one)} to port ${one.port} of ${one.workload}`),
    ...judged.map(
      (one) =>
        `  ${count(one)} of ${one.caller} to ${one.service}; those like the ones above would be ${one.allowed ? page.good('allowed') : page.bad('refused')}`,
    ),
  ];
  return section(page.strong(`Traffic of ${lately} that this affects`), all.length === 0 ? ['  none'] : all);
}

function count({
  requests,
  connections,
}: {
  readonly requests: number;
  readonly connections: number;
}): string {
  const parts = [
    ...(requests > 0 ? [plural(requests, 'request')] : []),
    ...(connections > 0 ? [plural(connections, 'connection')] : []),
  ];
  return parts.join(' and ');
}

function summary(difference: Difference, page: Page): string {
  if (isEmpty(difference)) return page.good('No proxy would do anything differently.');
  const { destinations, workloads, access, unasked } = difference;
  const pods = workloads.reduce((total, group) => total + group.pods.length, 0);
  const services = new Set(destinations.map(({ service }) => service)).size;
  const refused = new Set(access.filter(({ allowed }) => !allowed).map(({ caller }) => caller)).size;
  return [
    `${plural(services, 'port')} of Services and ${plural(pods, 'pod')} would be treated differently`,
    refused === 0
      ? `${unasked ? 'of what was asked, ' : ''}nobody would be refused who is let in now.`
      : page.bad(`${plural(refused, 'caller')} would be refused something.`),
  ].join('; ');
}
