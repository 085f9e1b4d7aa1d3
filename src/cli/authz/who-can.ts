import { MeshError } from '../../base/index.js';
import type { AccessReading } from '../../controller/index.js';
import type { AccessCondition, AccessGround, RoleRule } from '../../model/index.js';
import type { Page } from '../page.js';
import { answersOf, type PodAnswer, type Question } from './answer.js';
import { demandPort, parseService, requestOf, type RequestWords } from './call-words.js';
import { readAccessIn, type Where } from './installation.js';
import { defaultOf } from './reasons.js';

export interface WhoCanOptions extends Where, RequestWords {
  readonly page: Page;
  readonly service: string;
  readonly namespace?: string | undefined;
  readonly port?: number | undefined;
  readonly output: 'text' | 'json';
}

/** What one binding says. */
interface Line {
  readonly effect: 'Allow' | 'Deny';
  readonly mode: 'Enforce' | 'DryRun';
  readonly who: string;
  readonly binding: string;
  readonly rule: string;
  readonly asks: string;
}

interface Report {
  readonly asked: string;
  readonly bindings: readonly Line[];
  readonly everybodyElse: { readonly allowed: boolean; readonly because: string };
  readonly pods: readonly string[];
  readonly notes: readonly string[];
}

/** Whom the bindings of a namespace let ask something of a Service, and whom not. */
export async function whoCan(options: WhoCanOptions): Promise<{ readonly text: string }> {
  const at = parseService(options.service, options.namespace);
  const reading = await readAccessIn(options, at.namespace, 'weft authz who-can');
  const { port } = demandPort(reading.mesh, at, options.port);
  const request = requestOf(options);
  // Of an empty identity nothing holds: what is asked for here is what bindings say of the request.
  const question: Question = {
    namespace: at.namespace,
    service: at.name,
    port,
    caller: {},
    ...(request === undefined ? {} : { request }),
  };
  const answers = answersOf(reading.mesh, question);
  if (answers.length === 0)
    throw new MeshError(
      'not-found',
      `no pod is behind port ${port} of Service ${at.namespace}/${at.name}, so no proxy enforces rules; start one, or correct its selector`,
    );
  const asked = `${request === undefined ? '' : `${request.method} ${request.path} of `}${at.namespace}/${at.name}:${port}`;
  const grouped = Map.groupBy(answers, ({ judge, grounds }) =>
    JSON.stringify([judge === 'nobody', linesOf(grounds, request !== undefined)]),
  );
  const reports = [...grouped.values()].map((same) => reportOf({ reading, question, asked }, same));
  const text =
    options.output === 'json'
      ? JSON.stringify({ answers: reports }, null, 2)
      : reports.map((report) => render(report, options.page)).join('\n\n');
  return { text };
}

interface Asking {
  readonly reading: AccessReading;
  readonly question: Question;
  readonly asked: string;
}

function reportOf({ reading, question, asked }: Asking, same: readonly PodAnswer[]): Report {
  const [first] = same;
  if (first === undefined) throw new MeshError('internal', 'a group of answers is empty');
  const pods = same.map(({ pod, port }) => `${pod}:${port}`);
  if (first.judge === 'nobody') {
    const because = 'these pods have no proxy at this port, so no proxy enforces rules';
    return { asked, bindings: [], everybodyElse: { allowed: true, because }, pods, notes: reading.gaps };
  }
  const { object, fields } = defaultOf(reading, question.namespace);
  return {
    asked,
    bindings: linesOf(first.grounds, question.request !== undefined),
    everybodyElse: {
      allowed: reading.mesh.accessIn(question.namespace).default !== 'deny',
      because: `${object} (${fields.join(', ')})`,
    },
    pods,
    notes: [
      ...reading.gaps,
      ...(first.judge === 'mtls'
        ? ['mTLS mode Strict refuses every caller in plain text, whatever bindings say']
        : []),
    ],
  };
}

/** Rules that hold for the request or, where none is given, all rules about the port. */
function linesOf(grounds: readonly AccessGround[], ofRequest: boolean): readonly Line[] {
  return grounds.flatMap(({ binding, role, rules, nearly }) => {
    const { effect, mode, subjects, ref } = binding;
    const head = {
      effect: effect === 'deny' ? 'Deny' : 'Allow',
      mode: mode === 'dryRun' ? 'DryRun' : 'Enforce',
      who: subjects.map((allOf) => allOf.map(conditionText).join(' and ')).join('; '),
      binding: `${ref.namespace}/${ref.name}`,
    } as const;
    if (role === undefined) return [{ ...head, rule: 'role is missing', asks: 'everything' }];
    const places = [...rules, ...(ofRequest ? [] : nearly.map(({ rule }) => rule))].sort((a, b) => a - b);
    return places.map((place) => ({
      ...head,
      rule: `${role.ref.name} spec.rules[${place}]`,
      asks: ruleText(role.rules[place] ?? {}),
    }));
  });
}

function conditionText(condition: AccessCondition): string {
  const text = positiveText(condition);
  return condition.inverted === true ? `not ${text}` : text;
}

function positiveText(condition: AccessCondition): string {
  const of = 'trustDomain' in condition ? ` of ${condition.trustDomain}` : '';
  switch (condition.kind) {
    case 'serviceAccount':
      return `${condition.namespace}/${condition.name}${of}`;
    case 'namespace':
      return `namespace ${condition.name}${of}`;
    case 'trustDomain':
      return `trust domain ${condition.name}`;
    case 'ipBlock':
      return `addresses ${condition.address}/${condition.length}`;
    case 'jwt':
      return tokenText(condition);
    case 'anyone':
    case 'authenticated':
    case 'unauthenticated':
      return condition.kind;
  }
}

function tokenText({ issuer, claims }: Extract<AccessCondition, { readonly kind: 'jwt' }>): string {
  const texts = claims.map(({ path, anyOf }) => ` with ${path.join('.')} ${anyOf.join('|')}`);
  return `a token of ${issuer}${texts.join(' and')}`;
}

function ruleText({ methods, paths, headers }: RoleRule): string {
  const parts = [
    methods?.join(','),
    paths?.join(' '),
    headers
      ?.map(({ name, condition }) =>
        condition.kind === 'present' ? `${name} present` : `${name} ${condition.kind} ${condition.value}`,
      )
      .join(', '),
  ];
  return parts.filter((part) => part !== undefined).join(' ') || 'everything';
}

function render({ asked, bindings, everybodyElse, pods, notes }: Report, page: Page): string {
  const word = everybodyElse.allowed ? page.good('allowed') : page.bad('refused');
  const rows = bindings.map(({ effect, mode, who, binding, rule, asks }) => [
    effect === 'Deny' ? page.bad(effect) : page.good(effect),
    mode,
    who,
    binding,
    rule,
    asks,
  ]);
  return [
    page.strong(asked),
    ...(rows.length === 0
      ? []
      : [page.table(['EFFECT', 'MODE', 'WHO', 'BINDING', 'ROLE RULE', 'ASKS'], rows)]),
    `${rows.length === 0 ? 'everybody' : 'everybody else'}: ${word} by ${everybodyElse.because}`,
    page.faint(`pods: ${pods.slice(0, 3).join(', ')}${pods.length > 3 ? ', ...' : ''}`),
    ...notes.map((note) => page.caution(`note: ${note}`)),
  ].join('\n');
}
