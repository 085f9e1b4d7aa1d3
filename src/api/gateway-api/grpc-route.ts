import * as z from 'zod';
import { backendRef, filter, metadata, namedMatch, parentRef, sessionPersistence } from './parts.js';

const match = z.object({
  method: z
    .object({
      type: z.string().default('Exact'),
      service: z.string().optional(),
      method: z.string().optional(),
    })
    .optional(),
  headers: z.array(namedMatch).default([]),
});

const rule = z.object({
  name: z.string().optional(),
  matches: z.array(match).default([]),
  filters: z.array(filter).default([]),
  backendRefs: z.array(backendRef).default([]),
  sessionPersistence: sessionPersistence.optional(),
});

/** A GRPCRoute of `gateway.networking.k8s.io/v1`. Its hostnames say nothing in a mesh (GEP-1426). */
export const grpcRoute = z.object({
  metadata,
  spec: z.object({ parentRefs: z.array(parentRef).default([]), rules: z.array(rule).default([]) }),
});

export type GrpcRoute = z.infer<typeof grpcRoute>;
export type GrpcRule = z.infer<typeof rule>;
export type GrpcMatch = z.infer<typeof match>;
