import * as z from 'zod';
import { metadata, objectRef, parentRef } from './parts.js';

const rule = z.object({
  name: z.string().optional(),
  backendRefs: z.array(objectRef.extend({ weight: z.int().min(0).default(1) })).default([]),
});

const spec = z.object({ parentRefs: z.array(parentRef).default([]), rules: z.array(rule).default([]) });

/** A TCPRoute of `gateway.networking.k8s.io/v1`. */
export const tcpRoute = z.object({ metadata, spec });

/** A TLSRoute of `gateway.networking.k8s.io/v1`. Objects that were stored by versions before it may have no hostname. */
export const tlsRoute = z.object({
  metadata,
  spec: spec.extend({ hostnames: z.array(z.string()).default([]) }),
});

/** What both have: where connections go. */
export type ConnectionRule = z.infer<typeof rule>;
