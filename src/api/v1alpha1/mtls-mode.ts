import * as z from 'zod';

/** How pods treat callers without mutual TLS, in words of the user. */
export const mtlsMode = z.enum(['Disabled', 'Permissive', 'Strict']);
