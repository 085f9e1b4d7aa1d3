import * as z from 'zod';

/** Methods of requests that may be sent more than once. */
export const repeatedMethods = z
  .array(z.enum(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH']))
  .min(1)
  .max(8)
  .optional();
