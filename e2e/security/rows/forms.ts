import { disguises, hidden, lookalikes, otherTargets } from '../forms.js';
import { sendAll, type Ground, type Rules } from '../ground.js';
import { together, type Played, type Row } from '../row.js';
import { send, WIRES, type Form, type Wire } from '../wires.js';

const AREA = 'L7 match';
const ANYONE = { subjects: [{ caller: 'Anyone' }] };
const HTTP = { services: ['server'], ports: [8080] };

/** What is denied: everything below `/admin`; everything else is allowed. */
const DENYING: Rules = {
  byDefault: 'Allow',
  bindings: { admin: { spec: { ...ANYONE, effect: 'Deny' }, rules: [{ ...HTTP, paths: ['/admin/*'] }] } },
};
/** What is allowed: reading below `/public`; everything else is refused. */
const ALLOWING: Rules = {
  byDefault: 'Deny',
  bindings: {
    public: {
      spec: ANYONE,
      rules: [{ ...HTTP, methods: ['GET'], paths: ['/public', '/public/*', '/users/{id}'] }],
    },
  },
};

const asForm = (target: string): Form => ({ target });

/** Every way to `/admin/users` that is known, where it is denied: a letter or a slash more takes nobody past it. */
export const TO_ADMIN: readonly Form[] = [
  ...lookalikes('admin', 'users').map(asForm),
  ...disguises('admin', 'users').map(asForm),
  ...otherTargets('admin', 'users'),
];

/** Where only `/public` is allowed, what is written so that it may be read as below it and is something else. */
export const AROUND_PUBLIC: readonly Form[] = [
  ...[
    '/',
    '/Public',
    '/PUBLIC/x',
    '/publicx',
    '/public.',
    '/users',
    '/users/',
    '/users/7/8',
    '/users/7/',
    '/api?/public/x',
  ].map(asForm),
  ...[
    '/public/../admin',
    '/public/%2e%2e/admin',
    '/public/..%2fadmin',
    '/public/..;/admin',
    '/public/;/../admin',
  ].map(asForm),
  ...[
    '/public/.%2e/admin',
    '/public\\..\\admin',
    '/public/%5c../admin',
    '/public/..',
    '/public/.',
    '/public//',
  ].map(asForm),
  ...disguises('admin', 'users').map(asForm),
  ...otherTargets('admin', 'users'),
  ...['POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'get', 'GETS'].map((method) => ({
    method,
    target: '/public/x',
  })),
];

const TWINS = [
  '/public',
  '/public/x',
  '/public/caf%C3%A9',
  '/public/x?a=/../%2e%2e/admin;',
  '/users/7',
  '/users/..x',
];

/** The rows about what a request is and what an application might take it for. */
export function formRows(ground: Ground): readonly Row[] {
  const overWires = (name: string, rules: Rules, forms: readonly Form[]): readonly Row[] =>
    WIRES.map((wire) => ({
      area: AREA,
      name: `${name}, over ${wire}`,
      play: async () => {
        await ground.rule(rules);
        return evade(ground, wire, forms);
      },
    }));
  return [
    ...overWires('a path that is denied is not reached in any form', DENYING, TO_ADMIN),
    ...overWires('a path that is allowed takes nobody elsewhere', ALLOWING, AROUND_PUBLIC),
    {
      area: AREA,
      name: 'a request behind a request is judged by itself, over each wire of HTTP/1.1',
      play: async () => {
        await ground.rule(DENYING);
        const wires = ['plain', 'weft1-h1', 'weft1-tcp'] as const;
        return together(await inTurn(wires, async (wire) => smuggle(ground, wire)));
      },
    },
    {
      area: AREA,
      name: 'what headers say is read narrowly where it allows and widely where it denies, over each wire',
      play: async () => {
        const allowing = headerRules('Deny', { exact: 'staff' }, {});
        const denying = headerRules('Allow', { prefix: 'evil' }, { effect: 'Deny' });
        await ground.rule(allowing);
        const narrow = await inTurn(WIRES, async (wire) =>
          headers(ground, wire, NARROW, [['x-group', 'staff']]),
        );
        await ground.rule(denying);
        const wide = await inTurn(WIRES, async (wire) => headers(ground, wire, WIDE, [['x-group', 'good']]));
        return together([...narrow, ...wide]);
      },
    },
  ];
}

async function inTurn<T, R>(all: readonly T[], play: (one: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  for (const one of all) results.push(await play(one));
  return results;
}

/**
 * Each form is sent with a mark in a header; no request with a mark may be seen by the application, but one that says nothing else any more
 * than what is allowed: a fragment over HTTP/2 is gone before anybody judges.
 */
async function evade(ground: Ground, wire: Wire, forms: readonly Form[]): Promise<Played> {
  const certificate = await ground.certificate();
  const marked = forms.map((form, index) => withMark(form, `form-${index}-`));
  const answers = await sendAll(ground.at('http'), wire, certificate, marked);
  const twins = await sendAll(ground.at('http'), wire, certificate, TWINS.map(asForm));
  const bytes = (await ground.arrived()).map((one) => one.bytes).join('');
  const heads = bytes.split('\r\n\r\n');
  const arrived = answers.flatMap(({ form, status }) => {
    const head = heads.find((text) => text.includes(form.mark));
    if (head === undefined && (status < 200 || status >= 300)) return [];
    const [line = ''] = head?.split('\r\n') ?? [];
    return [{ form, line, harmless: /^GET \/public HTTP\/1\.1$/.test(line) }];
  });
  return {
    attempts: answers.length - arrived.filter(({ harmless }) => harmless).length,
    twins: twins.length,
    wrong: [
      ...arrived
        .filter(({ harmless }) => !harmless)
        .map(({ form, line }) => `${wire}: ${describe(form)} got in as ${JSON.stringify(line)}`),
      ...twins.flatMap(({ form, status, reason }) =>
        status === 200 && bytes.includes(`GET ${form.target} HTTP/1.1\r\n`)
          ? []
          : [`${wire}: ${form.target}, which is allowed, got ${status} ${reason}, or arrived changed`],
      ),
    ],
  };
}

function withMark(form: Form, mark: string): Form & { readonly mark: string } {
  if (form.raw !== undefined) return { ...form, mark, raw: `x-mark: ${mark}\r\n${form.raw}` };
  return { ...form, mark, headers: [...(form.headers ?? []), ['x-mark', mark]] };
}

function describe({ method = 'GET', target, raw, headers: lines = [] }: Form): string {
  return JSON.stringify([method, target, ...(raw === undefined ? lines : [raw])]);
}

async function smuggle(ground: Ground, wire: Wire): Promise<Played> {
  const certificate = await ground.certificate();
  const forms = hidden('/admin/hidden');
  for (const form of forms) await send(ground.at('http'), wire, certificate, form);
  const twin = await send(ground.at('http'), wire, certificate, { target: '/public/twin' });
  const bytes = (await ground.arrived()).map((one) => one.bytes).join('');
  // Inside of a body it is not a request: what the application must not see is a line of its own.
  const requests = bytes
    .split('\r\n')
    .filter((line) => line.includes('/admin/hidden') && /^(GET|POST) /.test(line));
  return {
    attempts: forms.length,
    twins: 1,
    wrong: [
      ...requests.map((line) => `${wire}: the application got ${JSON.stringify(line)}`),
      ...(twin?.status === 200 ? [] : [`${wire}: /public/twin got ${twin?.status}`]),
    ],
  };
}

function headerRules(byDefault: Rules['byDefault'], condition: object, spec: object): Rules {
  const rules = [{ ...HTTP, headers: [{ name: 'x-group', ...condition }] }];
  return { byDefault, bindings: { group: { spec: { ...ANYONE, ...spec }, rules } } };
}

type Lines = NonNullable<Form['headers']>;

/** None of these is `x-group: staff` and nothing else. */
export const NARROW: readonly Lines[] = [
  [],
  [['x-group', 'STAFF']],
  [['x-group', 'staffx']],
  [['x-group', 'staff, guest']],
  [['x-group', 'guest, staff']],
  [['x-group', '"staff"']],
  [
    ['x-group', 'guest'],
    ['x-group', 'staff'],
  ],
  [
    ['x-group', 'staff'],
    ['x-group', 'guest'],
  ],
  [['x_group', 'staff']],
  [
    ['x-group', 'staff'],
    ['x_group', 'guest'],
  ],
  [
    ['x_group', 'guest'],
    ['x-group', 'staff'],
  ],
  [['x-group-', 'staff']],
  [['x-group', '']],
  [['x-group', 'staff;q=1']],
  [['x-forwarded-x-group', 'staff']],
];
/** Some application reads each of these as one that begins with `evil`. */
export const WIDE: readonly Lines[] = [
  [['x-group', 'evil']],
  [['x-group', 'evil-1']],
  [['x-group', 'EVIL']],
  [['X-Group', 'Evil']],
  [['x-group', 'good, evil']],
  [['x-group', 'good,evil']],
  [
    ['x-group', 'good'],
    ['x-group', 'evil'],
  ],
  [
    ['x-group', 'evil'],
    ['x-group', 'good'],
  ],
  [['x-group', 'good ,\tevil']],
  [['x_group', 'evil']],
  [
    ['x-group', 'good'],
    ['X_Group', 'evil'],
  ],
  [['x-group', '\u00a0evil']],
  [['x-group', 'good,\u00a0evil']],
];

async function headers(ground: Ground, wire: Wire, attacks: readonly Lines[], good: Lines): Promise<Played> {
  const certificate = await ground.certificate();
  const played = await evadeWith(
    ground,
    wire,
    certificate,
    attacks.map((lines) => ({ target: '/any', headers: lines })),
  );
  const twin = await send(ground.at('http'), wire, certificate, { target: '/any', headers: good });
  const wrong = twin?.status === 200 ? [] : [`${wire}: ${JSON.stringify(good)} got ${twin?.status}`];
  return together([played, { attempts: 0, twins: 1, wrong }]);
}

async function evadeWith(
  ground: Ground,
  wire: Wire,
  certificate: Awaited<ReturnType<Ground['certificate']>>,
  forms: readonly Form[],
): Promise<Played> {
  const marked = forms.map((form, index) => withMark(form, `lines-${index}-`));
  const answers = await sendAll(ground.at('http'), wire, certificate, marked);
  const bytes = (await ground.arrived()).map((one) => one.bytes).join('');
  return {
    attempts: answers.length,
    twins: 0,
    wrong: marked
      .filter((form) => bytes.includes(form.mark))
      .map((form) => `${wire}: ${describe(form)} reached the application`),
  };
}
