import * as z from 'zod';
import { durationMs } from '../schema/duration.js';
import { cookieName, duration, headerName } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';

/** How requests of one session keep to one endpoint: what Gateway API calls session persistence (GEP-1619). */
export const session = withRules(
  z.strictObject({
    cookie: z
      .strictObject({
        name: cookieName
          .optional()
          .meta({ description: 'Its name. By default one that is unique to the route.' }),
        permanent: z.boolean().optional().meta({
          description:
            'Whether browsers keep the cookie after they are closed, for as long as `timeout` says. Defaults to false.',
        }),
      })
      .optional()
      .meta({ description: "Cookie that the caller's proxy sets, and by which it recognises the session." }),
    header: z
      .strictObject({
        name: headerName
          .optional()
          .meta({ description: 'Its name. By default one that is unique to the route.' }),
      })
      .optional()
      .meta({
        description:
          'Header that carries the session in responses, and that the caller sends back in its requests.',
      }),
    timeout: duration.optional().meta({
      description:
        'How long a session lasts after its first response, in whole seconds. Unlimited by default; 0s means unlimited.',
    }),
  }),
  {
    cel: 'has(self.cookie) != has(self.header)',
    message: 'give exactly one of cookie and header',
    holds: ({ cookie, header }) => (cookie === undefined) !== (header === undefined),
  },
  {
    cel: "!has(self.cookie) || !has(self.cookie.permanent) || !self.cookie.permanent || (has(self.timeout) && duration(self.timeout) > duration('0s'))",
    message: 'a permanent cookie needs a lifetime; give timeout',
    field: '.timeout',
    holds: ({ cookie, timeout }) => cookie?.permanent !== true || (durationMs(timeout ?? '') ?? 0) > 0,
  },
);
