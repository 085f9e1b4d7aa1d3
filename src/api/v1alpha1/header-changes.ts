import * as z from 'zod';
import { headerName } from '../schema/fields.js';

/** What belongs to one hop, frames the message or names its host. */
const NOT_CHANGED = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Why policies do not change a header, or undefined when they may. */
export function headerChangeProblem(name: string): string | undefined {
  const lower = name.toLowerCase();
  if (!NOT_CHANGED.has(lower) && !lower.startsWith('x-weft-')) return undefined;
  return lower === 'host'
    ? 'is changed by rewriting the hostname; use that instead'
    : 'is not for policies to change: proxies write it themselves; remove it';
}

/**
 * A rule of the API server for this would cost more than it allows, at up to 16 backends in each of 64 routes; the
 * status of the policy and `weft analyze` say it.
 */
const changeableHeader = headerName.superRefine((name, context) => {
  const message = headerChangeProblem(name);
  if (message === undefined) return;
  context.issues.push({ code: 'custom', message, input: name });
});

const headerValues = z
  .array(
    z.strictObject({
      name: changeableHeader.meta({ description: 'Name of the header.' }),
      value: z
        .string()
        .max(4096)
        .regex(/^[\t -~]*$/)
        .meta({ description: 'Value of the header, in printable ASCII.' }),
    }),
  )
  .min(1)
  .max(16);

const headerChanges = z.strictObject({
  set: headerValues.optional().meta({ description: 'Headers to set, replacing values that are present.' }),
  add: headerValues.optional().meta({ description: 'Headers to add to those that are present.' }),
  remove: z
    .array(changeableHeader)
    .min(1)
    .max(16)
    .optional()
    .meta({ description: 'Headers to remove. Removal comes first, then set, then add.' }),
});

/** Changes of the headers of a request and of its response. */
export const headers = z.strictObject({
  request: headerChanges.optional().meta({ description: 'Changes on the way to the destination.' }),
  response: headerChanges.optional().meta({ description: 'Changes on the way back to the caller.' }),
});
