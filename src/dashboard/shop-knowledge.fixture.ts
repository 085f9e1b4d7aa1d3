import { idOf } from '../telemetry/seen.fixture.js';
import { OTHER_CALLER, PLAIN_CALLER, type AccessCell } from './access-view.js';
import type { Knowledge } from './knowledge.js';
import type { TapLine, TapQuestion, Tapped } from './tap-view.js';

const SERVICES = ['catalog', 'db', 'reviews', 'web'];
/** Who may call each of them. */
const GRANTED: Readonly<Record<string, readonly string[]>> = {
  catalog: ['web', 'cron'],
  db: ['catalog', 'reports'],
  reviews: ['web'],
  web: ['shopper'],
};

function cellOf(caller: string, service: string): AccessCell {
  if (caller === PLAIN_CALLER && service === 'catalog')
    return { may: 'all', granted: true, by: 'allowed by shop/catalog-public' };
  const name = caller.split('/').at(-1) ?? '';
  if (GRANTED[service]?.includes(name) !== true)
    return { may: 'none', granted: false, by: 'no binding allows it' };
  return name === 'reports'
    ? { may: 'some', granted: true, by: 'some requests allowed by shop/db-reports' }
    : { may: 'all', granted: true, by: `allowed by shop/${service}-readers` };
}

/** A request that web made and reviews carried; tests add what they are about. */
export const TAPPED: Tapped = {
  pod: 'web-5d9c7b8f6-x2x4q',
  time: '2026-11-30T12:00:01.123Z',
  side: 'caller',
  kind: 'request',
  method: 'GET',
  authority: 'reviews:8080',
  path: '/api/v1?x=1',
  status: 200,
  verdict: 'carried',
  wouldRefuse: [],
  durationMs: 12.4,
  receivedBytes: 57,
  destination: 'shop/reviews:8080',
  route: 'canary',
  caller: idOf('web'),
  receiver: idOf('reviews'),
  tls: 'mutual',
  attempts: 1,
};

/** One of each kind that looks different. */
const PASSING: readonly Tapped[] = [
  TAPPED,
  { ...TAPPED, time: '2026-11-30T12:00:01.300Z', status: 503, durationMs: 31, attempts: 2 },
  {
    ...TAPPED,
    pod: 'reviews-v1-5d9c7b8f6-x2x4q',
    time: '2026-11-30T12:00:02.007Z',
    side: 'receiver',
    path: '/admin/users',
    status: 403,
    verdict: 'denied',
    refusedBy: 'access',
    rule: 'shop/readers',
    durationMs: 0.21,
    route: '',
    caller: idOf('mallory'),
    attempts: 0,
  },
  {
    ...TAPPED,
    pod: 'catalog-5d9c7b8f6-x2x4q',
    time: '2026-11-30T12:00:02.950Z',
    side: 'receiver',
    authority: 'catalog.shop',
    path: '/items/a-very-long-name-of-an-item-that-does-not-fit-into-a-line-of-a-table',
    route: '',
    caller: '',
    tls: 'none',
    wouldRefuse: ['access'],
    attempts: 0,
  },
  { ...TAPPED, time: '2026-11-30T12:00:03.100Z', status: 499, verdict: 'cancelled', attempts: 0 },
  {
    ...TAPPED,
    pod: 'catalog-5d9c7b8f6-x2x4q',
    time: '2026-11-30T12:00:05.530Z',
    kind: 'bytes',
    status: undefined,
    durationMs: 3_012,
    receivedBytes: 2_048,
    sentBytes: 312,
    destination: 'shop/db:5432',
    route: '',
    receiver: idOf('db'),
  },
];

const watchers = new Set<{ readonly question: TapQuestion; readonly hear: (line: TapLine) => void }>();

/** Who watches the shop, and a way to have much happen there. */
export const WATCHED_SHOP = {
  get questions(): readonly TapQuestion[] {
    return [...watchers].map(({ question }) => question);
  },
  flood(requests: number): void {
    for (const { hear } of watchers)
      for (let i = 0; i < requests; i += 1) hear({ kind: 'request', request: TAPPED, leftOut: 0 });
  },
};

/** Tells what passes in the shop, as long as somebody listens. */
export async function tapShop(
  question: TapQuestion,
  hear: (line: TapLine) => void,
  signal: AbortSignal,
): Promise<void> {
  const watcher = { question, hear };
  watchers.add(watcher);
  hear({ kind: 'watching', proxies: 4 });
  for (const request of PASSING) hear({ kind: 'request', request, leftOut: 0 });
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  watchers.delete(watcher);
}

/** What commands would say of the demo shop. */
export const shopKnowledge: Knowledge = {
  access: (namespace) => {
    const accounts = ['catalog', 'cron', 'mallory', 'reports', 'reviews', 'shopper', 'web'];
    const callers = [...accounts.map((name) => idOf(name)), OTHER_CALLER, PLAIN_CALLER];
    return Promise.resolve({
      namespace,
      services: SERVICES,
      callers,
      cells: callers.map((caller) => SERVICES.map((service) => cellOf(caller, service))),
      byDefault: 'the default of namespace shop, Deny (label weft.dev/default-access=Deny)',
      notes: ['left out, because no pod is behind them: basket'],
    });
  },
  findings: () =>
    Promise.resolve({
      findings: [
        {
          code: 'WEFT201',
          severity: 'error',
          title: 'A target does not exist',
          object: 'TrafficPolicy shop/basket',
          path: 'spec.targetRefs[0]',
          message: 'Service shop/basket does not exist: create it, or correct spec.targetRefs[0].name',
          meaning: 'The policy acts on nothing.',
          remedy: 'Create the Service, or name the one that is meant.',
        },
        {
          code: 'WEFT501',
          severity: 'note',
          title: 'A port does not say its protocol',
          object: 'Service shop/db',
          path: 'spec.ports[0]',
          message: 'its first bytes decide how it is read: set appProtocol',
          meaning: 'Servers that speak first are waited for.',
          remedy: 'Set appProtocol.',
        },
      ],
      objects: 41,
      gaps: [],
    }),
  tap: tapShop,
};
