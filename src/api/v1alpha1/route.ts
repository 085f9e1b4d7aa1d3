import * as z from 'zod';
import { dnsLabel } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { limits } from './circuit-breaker.js';
import { cors } from './cors.js';
import { headers } from './header-changes.js';
import { routeMatch } from './match.js';
import { mirror } from './mirror.js';
import { directResponse } from './direct-response.js';
import { fault } from './fault.js';
import { hedging } from './hedging.js';
import { redirect } from './redirect.js';
import { retries } from './retries.js';
import { rewrite } from './rewrite.js';
import { timeouts } from './timeouts.js';
import { session } from './session.js';
import { split } from './split.js';

const routeFields = z.strictObject({
  name: dnsLabel
    .optional()
    .meta({ description: 'Name of the route in metrics and explanations. Defaults to route-<index>.' }),
  match: z.array(routeMatch).min(1).max(16).optional().meta({
    description: 'The route handles a request when any of these matches. By default every request matches.',
  }),
  split: split
    .optional()
    .meta({ description: 'Where the requests go. Defaults to the Service that the policy targets.' }),
  timeouts: timeouts.optional().meta({ description: 'Time limits.' }),
  limits: limits.optional().meta({
    description: 'How much may be in flight on this route, in addition to the limits of circuitBreaker.',
  }),
  retries: retries.optional().meta({ description: 'Which requests are retried, and how.' }),
  hedging: hedging
    .optional()
    .meta({ description: 'Sends a copy of a request that is slow, and takes the first response.' }),
  session: session.optional().meta({ description: 'Sends the requests of one session to one endpoint.' }),
  mirror: mirror
    .optional()
    .meta({ description: 'Sends copies of requests elsewhere, without waiting for their responses.' }),
  fault: fault
    .optional()
    .meta({ description: 'Injects faults: fails, delays or slows down requests on purpose.' }),
  headers: headers.optional().meta({ description: 'Header changes.' }),
  rewrite: rewrite
    .optional()
    .meta({ description: 'Changes the host and the path that the destination sees.' }),
  redirect: redirect
    .optional()
    .meta({ description: 'Redirects the caller; nothing is sent to a destination.' }),
  cors: cors.optional().meta({
    description:
      'Cross-origin resource sharing (CORS): lets web pages of other origins read the responses. Preflight requests are answered by the mesh.',
  }),
  directResponse: directResponse.optional().meta({ description: 'Answers requests without a destination.' }),
});

interface PathChange {
  readonly path?: { readonly replacePrefixMatch?: string | undefined } | undefined;
}

const replacesPrefix = (change: PathChange | undefined): boolean =>
  change?.path?.replacePrefixMatch !== undefined;

const everyMatchHasPrefix = 'has(self.match) && self.match.all(m, has(m.path) && has(m.path.prefix))';
const needsPrefix = (field: 'rewrite' | 'redirect') => ({
  cel: `!has(self.${field}) || !has(self.${field}.path) || !has(self.${field}.path.replacePrefixMatch) || (${everyMatchHasPrefix})`,
  message:
    'replacePrefixMatch needs a path.prefix in every match of the route; add it or use replaceFullPath',
  field: `.${field}`,
  holds: (given: z.infer<typeof routeFields>) =>
    !replacesPrefix(given[field]) || (given.match?.every(({ path }) => path?.prefix !== undefined) ?? false),
});

/** One way to handle some of the requests. */
export const route = withRules(
  routeFields,
  {
    cel: '!has(self.redirect) || !has(self.directResponse)',
    message: 'give redirect or directResponse, not both',
    holds: ({ redirect, directResponse }) => redirect === undefined || directResponse === undefined,
  },
  {
    cel: '!(has(self.redirect) || has(self.directResponse)) || !(has(self.split) || has(self.rewrite) || has(self.mirror) || has(self.session))',
    message: 'a route that answers by itself sends nothing on; remove split, rewrite, mirror and session',
    holds: ({ redirect, directResponse, split, rewrite, mirror, session }) =>
      (redirect === undefined && directResponse === undefined) ||
      [split, rewrite, mirror, session].every((given) => given === undefined),
  },
  {
    cel: '!(has(self.redirect) || has(self.directResponse)) || !has(self.fault)',
    message: 'a route that answers by itself never fails; remove fault',
    field: '.fault',
    holds: ({ redirect, directResponse, fault }) =>
      (redirect === undefined && directResponse === undefined) || fault === undefined,
  },
  needsPrefix('rewrite'),
  needsPrefix('redirect'),
);
