import * as z from 'zod';
import { metadata, sessionPersistence } from './parts.js';

const targetRef = z.object({ group: z.string(), kind: z.string(), name: z.string() });

/** GEP-3388. */
const retryConstraint = z.object({
  budget: z
    .object({ percent: z.int().min(0).max(100).optional(), interval: z.string().optional() })
    .optional(),
  minRetryRate: z.object({ count: z.int().min(1).optional(), interval: z.string().optional() }).optional(),
});

/** An XBackendTrafficPolicy of `gateway.networking.x-k8s.io/v1alpha1`, in the experimental channel only. */
export const backendTrafficPolicy = z.object({
  metadata,
  spec: z.object({
    targetRefs: z.array(targetRef).default([]),
    retryConstraint: retryConstraint.optional(),
    sessionPersistence: sessionPersistence.optional(),
  }),
});

export type BackendTrafficPolicy = z.infer<typeof backendTrafficPolicy>;
