import * as z from 'zod';
import { backendRef, filter, metadata, namedMatch, parentRef, sessionPersistence } from './parts.js';

const match = z.object({
  path: z.object({ type: z.string().default('PathPrefix'), value: z.string().default('/') }).optional(),
  headers: z.array(namedMatch).default([]),
  queryParams: z.array(namedMatch).default([]),
  method: z.string().optional(),
});

/** GEP-1731; up to v1.6 in the experimental channel only. */
const retry = z.object({
  codes: z.array(z.int()).default([]),
  attempts: z.int().optional(),
  backoff: z.string().optional(),
});

const rule = z.object({
  name: z.string().optional(),
  matches: z.array(match).default([]),
  filters: z.array(filter).default([]),
  backendRefs: z.array(backendRef).default([]),
  timeouts: z.object({ request: z.string().optional(), backendRequest: z.string().optional() }).optional(),
  retry: retry.optional(),
  sessionPersistence: sessionPersistence.optional(),
});

/** An HTTPRoute of `gateway.networking.k8s.io/v1`. Its hostnames say nothing in a mesh (GEP-1426). */
export const httpRoute = z.object({
  metadata,
  spec: z.object({ parentRefs: z.array(parentRef).default([]), rules: z.array(rule).default([]) }),
});

export type HttpRoute = z.infer<typeof httpRoute>;
export type HttpRule = z.infer<typeof rule>;
export type HttpMatch = z.infer<typeof match>;
export type HttpRetry = z.infer<typeof retry>;
