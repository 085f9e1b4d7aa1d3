import { MeshError } from '../../base/index.js';
import { plural, type Page } from '../page.js';
import { answersOf, type PodAnswer, type Question } from './answer.js';
import {
  callerText,
  demandPort,
  parseCaller,
  parseService,
  requestOf,
  type RequestWords,
} from './call-words.js';
import { readAccessIn, type Where } from './installation.js';
import {
  changesOf,
  decidedBy,
  decisionsOf,
  demandKnownDefault,
  notesOf,
  type Asking,
  type Decision,
} from './reasons.js';

export interface CanIOptions extends Where, RequestWords {
  readonly page: Page;
  readonly caller: string;
  readonly service: string;
  readonly namespace?: string | undefined;
  readonly port?: number | undefined;
  readonly address?: string | undefined;
  readonly output: 'text' | 'json';
}

interface Report {
  readonly allowed: boolean;
  readonly caller: string;
  readonly asked: string;
  readonly decidedBy: readonly Decision[];
  /** What would be found if everything that is rehearsed were enforced, where that differs. */
  readonly rehearsed?: { readonly allowed: boolean; readonly decidedBy: readonly Decision[] };
  readonly whatWouldChangeIt: readonly string[];
  readonly pods: readonly string[];
  readonly notes: readonly string[];
}

/** Whether a caller may ask something of a Service, by whose word, and what would change that. */
export async function canI(options: CanIOptions): Promise<{ readonly ok: boolean; readonly text: string }> {
  const at = parseService(options.service, options.namespace);
  const reading = await readAccessIn(options, at.namespace, 'weft authz can-i');
  const { port } = demandPort(reading.mesh, at, options.port);
  const { trustDomain } = reading.mesh.settings;
  const caller = parseCaller(options.caller, options.address, trustDomain);
  const request = requestOf(options);
  const question: Question = {
    namespace: at.namespace,
    service: at.name,
    port,
    caller,
    ...(request === undefined ? {} : { request }),
  };
  const asked = `${request === undefined ? 'open a connection to' : `${request.method} ${request.path} of`} ${at.namespace}/${at.name}:${port}`;
  const reports = reportsOf({ question, reading, asked, caller: callerText(caller, trustDomain) });
  const ok = reports.every(({ allowed }) => allowed);
  const text =
    options.output === 'json'
      ? JSON.stringify({ allowed: ok, answers: reports }, null, 2)
      : reports.map((report) => render(report, options.page)).join('\n\n');
  return { ok, text };
}

/** One for all pods that do the same for the same reasons. */
function reportsOf(asking: Asking): readonly Report[] {
  const { question, reading } = asking;
  const answers = answersOf(reading.mesh, question);
  if (answers.length === 0)
    throw new MeshError(
      'not-found',
      `no pod is behind port ${question.port} of Service ${question.namespace}/${question.service}, so no proxy enforces rules; start one, or correct its selector`,
    );
  for (const { protocol, judge } of answers)
    if (judge === 'rules' && protocol !== 'opaque' && question.request === undefined)
      throw new MeshError(
        'invalid',
        `port ${question.port} takes requests: say what is asked, as in: weft authz can-i CALLER ${question.namespace}/${question.service} GET /path`,
      );
  const grouped = Map.groupBy(answers, ({ protocol, judge, verdict, grounds }) =>
    JSON.stringify([
      protocol,
      judge,
      verdict,
      grounds.map(({ binding, ...rest }) => [binding.ref.uid, rest]),
    ]),
  );
  return [...grouped.values()].map((same) => reportOf(asking, same));
}

function reportOf(asking: Asking, same: readonly PodAnswer[]): Report {
  const [first] = same;
  if (first === undefined) throw new MeshError('internal', 'a group of answers is empty');
  const { verdict, grounds } = first;
  const { reading, caller, asked } = asking;
  if (first.judge === 'rules' && verdict.by.length === 0 && verdict.ambiguous === undefined)
    demandKnownDefault(reading);
  const rehearsed =
    verdict.rehearsed === undefined
      ? {}
      : {
          rehearsed: {
            allowed: !verdict.allowed,
            decidedBy: decisionsOf(asking, grounds, verdict.rehearsed.by),
          },
        };
  return {
    allowed: verdict.allowed,
    caller,
    asked,
    decidedBy: decidedBy(asking, first),
    ...rehearsed,
    whatWouldChangeIt: changesOf(asking, first),
    pods: same.map(({ pod, port }) => `${pod}:${port}`),
    notes: notesOf(asking, first),
  };
}

function render(report: Report, page: Page): string {
  const { allowed, caller, asked, decidedBy: by, rehearsed, whatWouldChangeIt, pods, notes } = report;
  const decisions = (all: readonly Decision[]): readonly string[] =>
    all.map(({ object, fields }) => `  by ${page.strong(object)} ${page.faint(`(${fields.join(', ')})`)}`);
  const word = (good: boolean): string => (good ? page.good('allowed') : page.bad('refused'));
  return [
    `${word(allowed)}: ${caller} ${allowed ? 'may' : 'may not'} ${asked}`,
    ...decisions(by),
    ...(rehearsed === undefined
      ? []
      : [
          `once what is rehearsed is enforced: ${word(rehearsed.allowed)}`,
          ...decisions(rehearsed.decidedBy),
        ]),
    `judged by ${plural(pods.length, 'pod')}: ${pods.slice(0, 3).join(', ')}${pods.length > 3 ? ', ...' : ''}`,
    'What would change it:',
    ...whatWouldChangeIt.map((change) => `  - ${change}`),
    ...notes.map((note) => page.caution(`note: ${note}`)),
  ].join('\n');
}
