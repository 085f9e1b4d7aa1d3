import { z } from 'zod';

const headers = z.array(z.tuple([z.string(), z.string()])).default([]);

/** A request, or a connection of bytes, that has ended: `proxy/src/telemetry/tap/event.rs`. More than this may come from a newer proxy. */
const event = z.looseObject({
  time: z.string(),
  side: z.enum(['caller', 'receiver']),
  kind: z.string(),
  method: z.string().default(''),
  authority: z.string().default(''),
  path: z.string().default(''),
  status: z.number().optional(),
  grpcStatus: z.number().optional(),
  verdict: z.string(),
  reason: z.string().optional(),
  refusedBy: z.string().optional(),
  rule: z.string().optional(),
  wouldRefuse: z.array(z.looseObject({ stage: z.string(), reason: z.string() })).default([]),
  durationMs: z.number(),
  receivedBytes: z.number().default(0),
  sentBytes: z.number().optional(),
  destination: z.string(),
  route: z.string().default(''),
  backend: z.string().default(''),
  /** Identities; empty for one that was not proved. */
  caller: z.string().default(''),
  receiver: z.string().default(''),
  tls: z.string().default('none'),
  stages: z
    .array(
      z.looseObject({
        stage: z.string(),
        verdict: z.string(),
        rule: z.string().optional(),
        tookMs: z.number().default(0),
      }),
    )
    .default([]),
  attempts: z
    .array(z.looseObject({ endpoint: z.string(), result: z.string(), tookMs: z.number().default(0) }))
    .default([]),
  requestHeaders: headers,
  responseHeaders: headers,
});

/** What a proxy says of the tap itself: that it is on, or why it has ended. */
const state = z.looseObject({ tap: z.enum(['on', 'ended']), why: z.string().nullish() });

const counted = z.looseObject({ leftOut: z.number().default(0) });

export type Event = z.infer<typeof event>;
export type State = z.infer<typeof state>;

/** One line of a proxy. */
export type Told =
  { readonly event: Event; readonly leftOut: number } | { readonly state: State; readonly leftOut: number };

/** Reads a line; `undefined` where it is of a kind that we do not know. */
export function told(line: unknown): Told | undefined {
  const { leftOut } = counted.safeParse(line).data ?? { leftOut: 0 };
  const ofTap = state.safeParse(line);
  if (ofTap.success) return { state: ofTap.data, leftOut };
  const ofRequest = event.safeParse(line);
  return ofRequest.success ? { event: ofRequest.data, leftOut } : undefined;
}
