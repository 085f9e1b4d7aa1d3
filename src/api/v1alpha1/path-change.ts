import * as z from 'zod';
import { withRules } from '../schema/rule.js';

const path = z
  .string()
  .max(1024)
  .regex(/^\/[-A-Za-z0-9._~!$&'()*+,;=:@%/]*$/);

/** A new path, named as Gateway API names it. */
export const pathChange = withRules(
  z.strictObject({
    replaceFullPath: path.optional().meta({ description: 'Replaces the whole path, and keeps the query.' }),
    replacePrefixMatch: path
      .optional()
      .meta({ description: 'Replaces the prefix that the route matched, and keeps the query.' }),
  }),
  {
    cel: 'has(self.replaceFullPath) != has(self.replacePrefixMatch)',
    message: 'give exactly one of replaceFullPath and replacePrefixMatch',
    holds: ({ replaceFullPath, replacePrefixMatch }) =>
      (replaceFullPath === undefined) !== (replacePrefixMatch === undefined),
  },
);
