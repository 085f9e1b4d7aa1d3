import { idOf } from '../telemetry/seen.fixture.js';
import { OTHER_CALLER, PLAIN_CALLER, type AccessCell } from './access-view.js';
import type { Knowledge } from './knowledge.js';

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
};
