import type { TrafficPolicy } from '../../api/index.js';
import type { PolicyRoute } from '../words/policy.js';
import { sessionName } from '../words/session.js';
import { positiveMs } from './to-resilience.js';

type ApiRoute = NonNullable<TrafficPolicy['spec']['routes']>[number];

/** How sessions of a route are kept; `owner` names the route among all of the mesh. */
export function translateSession({ session }: ApiRoute, owner: string): Pick<PolicyRoute, 'session'> {
  if (session === undefined) return {};
  const { cookie, header, timeout } = session;
  const carrier = cookie === undefined ? 'header' : 'cookie';
  const name = (cookie ?? header)?.name ?? sessionName(carrier, owner);
  const lifetimeMs = positiveMs(timeout);
  return {
    session: {
      carrier,
      name: carrier === 'header' ? name.toLowerCase() : name,
      ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
      ...(cookie?.permanent === true ? { permanent: true } : {}),
      byPath: true,
    },
  };
}
