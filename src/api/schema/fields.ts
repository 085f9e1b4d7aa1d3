import * as z from 'zod';
import { regexProblem } from './regex.js';
import { withRules } from './rule.js';

/** Fields that several kinds share. Every text and list is bounded: the cost of CEL rules is estimated from bounds. */

const GEP_2257 = /^([0-9]{1,5}(h|m|s|ms)){1,4}$/;

export const duration = withRules(z.string().max(32), {
  cel: "self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$')",
  message: 'is not a valid duration; write numbers with units h, m, s or ms, such as 500ms, 10s or 1m30s',
  holds: (text) => GEP_2257.test(text),
});

/** Name of a namespaced object whose name is a DNS label. */
export const dnsLabel = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);

/** Name of an object. */
export const dnsName = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);

export const port = z.int().min(1).max(65_535);

export const percent = z.int().min(0).max(100);

/** Part of a whole, finer than a percent. */
export const fraction = withRules(
  z.strictObject({
    numerator: z.int().min(0).max(1_000_000).meta({ description: 'Numerator of the fraction.' }),
    denominator: z
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .meta({ description: 'Denominator of the fraction. Defaults to 100.' }),
  }),
  {
    cel: 'self.numerator <= (has(self.denominator) ? self.denominator : 100)',
    message: 'the numerator is greater than the denominator (100 when absent); lower it',
    field: '.numerator',
    holds: ({ numerator, denominator }) => numerator <= (denominator ?? 100),
  },
);

/** Name of an HTTP header: a token of RFC 9110. */
export const headerName = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/);

/** Name of a cookie: a token of RFC 9110, as RFC 6265 wants it. */
export const cookieName = headerName;

/** The API server compiles the expression as RE2, and refuses one that does not compile. */
export const regex = z
  .string()
  .min(1)
  .max(256)
  .superRefine((text, context) => {
    const message = regexProblem(text);
    if (message !== undefined) context.issues.push({ code: 'custom', message, input: text });
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: "''.matches(self) ? true : true",
        message:
          'is not a valid regular expression in RE2 syntax, which has no look-around or back-references',
      },
    ],
  });

/** Labels that a pod must have, by equality. */
export const podLabels = z
  .record(z.string().min(1).max(317), z.string().max(63))
  .meta({ maxProperties: 16, minProperties: 1 });
