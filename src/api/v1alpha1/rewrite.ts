import * as z from 'zod';
import { dnsName } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { pathChange } from './path-change.js';

export const rewrite = withRules(
  z.strictObject({
    hostname: dnsName
      .optional()
      .meta({ description: 'Host that the destination sees, without a port. Unchanged by default.' }),
    path: pathChange
      .optional()
      .meta({ description: 'Path that the destination sees. Unchanged by default.' }),
  }),
  {
    cel: 'has(self.hostname) || has(self.path)',
    message: 'is empty; give hostname or path, or remove it',
    holds: ({ hostname, path }) => hostname !== undefined || path !== undefined,
  },
);
