import * as z from 'zod';

/**
 * Parts that HTTPRoute and GRPCRoute share, as Gateway API v1.6 and v1.7 define them. The API server has checked an object
 * against its CRD, which may be of another version. So enumerations are plain texts here: a value of tomorrow reaches
 * the status as unsupported, and does not make the whole object unreadable. What is left out gets the API's default.
 */

/** What a route attaches to. */
export const parentRef = z.object({
  group: z.string().default('gateway.networking.k8s.io'),
  kind: z.string().default('Gateway'),
  namespace: z.string().optional(),
  name: z.string(),
  sectionName: z.string().optional(),
  port: z.int().optional(),
});

/** An object that requests are sent to. */
export const objectRef = z.object({
  group: z.string().default(''),
  kind: z.string().default('Service'),
  namespace: z.string().optional(),
  name: z.string(),
  port: z.int().optional(),
});

const header = z.object({ name: z.string(), value: z.string() });

const headerModifier = z.object({
  set: z.array(header).default([]),
  add: z.array(header).default([]),
  remove: z.array(z.string()).default([]),
});

const pathModifier = z.object({
  type: z.string(),
  replaceFullPath: z.string().optional(),
  replacePrefixMatch: z.string().optional(),
});

const mirror = z.object({
  backendRef: objectRef,
  percent: z.int().optional(),
  fraction: z.object({ numerator: z.int(), denominator: z.int().default(100) }).optional(),
});

const redirect = z.object({
  scheme: z.string().optional(),
  hostname: z.string().optional(),
  path: pathModifier.optional(),
  port: z.int().optional(),
  statusCode: z.int().default(302),
});

const urlRewrite = z.object({ hostname: z.string().optional(), path: pathModifier.optional() });

const cors = z.object({
  allowOrigins: z.array(z.string()).default([]),
  allowMethods: z.array(z.string()).default([]),
  allowHeaders: z.array(z.string()).default([]),
  exposeHeaders: z.array(z.string()).default([]),
  allowCredentials: z.boolean().default(false),
  maxAge: z.int().default(5),
});

/** A step on the way of a request; `type` says which of the others is set. A GRPCRoute has some of these. */
export const filter = z.object({
  type: z.string(),
  requestHeaderModifier: headerModifier.optional(),
  responseHeaderModifier: headerModifier.optional(),
  requestMirror: mirror.optional(),
  requestRedirect: redirect.optional(),
  urlRewrite: urlRewrite.optional(),
  cors: cors.optional(),
  extensionRef: z.object({ group: z.string(), kind: z.string(), name: z.string() }).optional(),
});

/** A share of the requests of a rule. */
export const backendRef = objectRef.extend({
  weight: z.int().min(0).default(1),
  filters: z.array(filter).default([]),
});

/** A condition on a named value of a request. */
export const namedMatch = z.object({
  type: z.string().default('Exact'),
  name: z.string(),
  value: z.string(),
});

/**
 * GEP-1619; in the experimental channel only. `cookie` and `header` since v1.7, `sessionName` and `cookieConfig` up to
 * v1.6: an API server that has the one prunes the other.
 */
export const sessionPersistence = z.object({
  type: z.string().default('Cookie'),
  absoluteTimeout: z.string().optional(),
  cookie: z
    .object({
      name: z.string().optional(),
      path: z.string().default('/'),
      lifetimeType: z.string().default('Session'),
    })
    .optional(),
  header: z.object({ name: z.string() }).optional(),
  sessionName: z.string().optional(),
  cookieConfig: z.object({ lifetimeType: z.string().default('Session') }).optional(),
  /** Of Gateway API before v1.6. */
  idleTimeout: z.string().optional(),
});

export const metadata = z.object({
  name: z.string(),
  namespace: z.string().default('default'),
  uid: z.string().default(''),
  generation: z.int().default(0),
  creationTimestamp: z.string().default(''),
});

export type ParentRef = z.infer<typeof parentRef>;
export type ObjectRef = z.infer<typeof objectRef>;
export type CorsFilter = z.infer<typeof cors>;
export type BackendRef = z.infer<typeof backendRef>;
export type Filter = z.infer<typeof filter>;
export type HeaderModifier = z.infer<typeof headerModifier>;
export type PathModifier = z.infer<typeof pathModifier>;
export type RequestRedirect = z.infer<typeof redirect>;
export type NamedCondition = z.infer<typeof namedMatch>;
export type SessionPersistence = z.infer<typeof sessionPersistence>;
export type RouteMetadata = z.infer<typeof metadata>;
