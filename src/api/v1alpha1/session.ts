import * as z from 'zod';
import { durationMs } from '../schema/duration.js';
import { cookieName, duration, headerName } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';

/** How requests of one session keep to one endpoint: what Gateway API calls session persistence (GEP-1619). */
export const session = withRules(
  z.strictObject({
    cookie: z
      .strictObject({
        name: cookieName.optional().meta({ description: 'One of the route alone by default.' }),
        permanent: z.boolean().optional().meta({
          description:
            'Whether a browser keeps it when it is closed, for as long as `timeout` says. Not by default.',
        }),
      })
      .optional()
      .meta({ description: 'The proxy of the caller sets this cookie, and follows it.' }),
    header: z
      .strictObject({
        name: headerName.optional().meta({ description: 'One of the route alone by default.' }),
      })
      .optional()
      .meta({ description: 'The same in a header of responses, which the caller sends back in requests.' }),
    timeout: duration.optional().meta({
      description:
        'How long after its first answer a session ends, in whole seconds. Never by default; 0s is never.',
    }),
  }),
  {
    cel: 'has(self.cookie) != has(self.header)',
    message: 'give exactly one of cookie and header',
    holds: ({ cookie, header }) => (cookie === undefined) !== (header === undefined),
  },
  {
    cel: "!has(self.cookie) || !has(self.cookie.permanent) || !self.cookie.permanent || (has(self.timeout) && duration(self.timeout) > duration('0s'))",
    message: 'a permanent cookie needs an end; give timeout',
    field: '.timeout',
    holds: ({ cookie, timeout }) => cookie?.permanent !== true || (durationMs(timeout ?? '') ?? 0) > 0,
  },
);
