import * as z from 'zod';
import { dnsLabel } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { limits } from './circuit-breaker.js';
import { directResponse, redirect, rewrite } from './answers.js';
import { cors } from './cors.js';
import { headers } from './header-changes.js';
import { routeMatch } from './match.js';
import { mirror } from './mirror.js';
import { fault, hedging, retries, timeouts } from './route-extras.js';
import { session } from './session.js';
import { split } from './split.js';

const routeFields = z.strictObject({
  name: dnsLabel
    .optional()
    .meta({ description: 'Name in metrics and explanations. route-<index> by default.' }),
  match: z
    .array(routeMatch)
    .min(1)
    .max(16)
    .optional()
    .meta({ description: 'The route is taken when any of these matches. Every request by default.' }),
  split: split.optional().meta({ description: 'Where the requests go. The targeted Service by default.' }),
  timeouts: timeouts.optional().meta({ description: 'How long a request may take.' }),
  limits: limits
    .optional()
    .meta({ description: 'How much may be under way by this route, beside the limits of circuitBreaker.' }),
  retries: retries.optional().meta({ description: 'What is tried again.' }),
  hedging: hedging.optional().meta({ description: 'Sends slow requests a second time.' }),
  session: session.optional().meta({ description: 'Keeps the requests of one session at one endpoint.' }),
  mirror: mirror
    .optional()
    .meta({ description: 'Sends copies of requests elsewhere; nobody waits for their answers.' }),
  fault: fault.optional().meta({ description: 'Fails, delays or slows down requests on purpose.' }),
  headers: headers.optional().meta({ description: 'Changes of headers.' }),
  rewrite: rewrite
    .optional()
    .meta({ description: 'Changes what the destination sees as host and path of the request.' }),
  redirect: redirect
    .optional()
    .meta({ description: 'Tells the caller to ask elsewhere; nothing is sent to a destination.' }),
  cors: cors.optional().meta({
    description:
      'Lets pages of other origins in browsers read the answers; preflights are answered in the place of the destination.',
  }),
  directResponse: directResponse.optional().meta({ description: 'Answers in the place of a destination.' }),
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
