import * as z from 'zod';
import type { AccessConfig, Destination, WorkloadConfig } from '../../../model/index.js';

const protocol = z.enum(['unknown', 'http1', 'http2', 'opaque']);
const text = z.strictObject({ kind: z.enum(['exact', 'prefix', 'regex']), value: z.string() });
const present = z.strictObject({ kind: z.literal('present'), value: z.boolean() });

const named = z.strictObject({
  name: z.string(),
  condition: z.union([text, present]),
  invert: z.boolean(),
});
const labels = z.record(z.string(), z.string());

const changes = z.strictObject({
  remove: z.array(z.string()),
  set: z.array(z.strictObject({ name: z.string(), value: z.string() })),
  add: z.array(z.strictObject({ name: z.string(), value: z.string() })),
});
const headers = z.strictObject({ request: changes.exactOptional(), response: changes.exactOptional() });
const pathChange = z.strictObject({ kind: z.enum(['full', 'prefix']), value: z.string() });

const answer = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('redirect'),
    scheme: z.enum(['http', 'https']).exactOptional(),
    host: z.string().exactOptional(),
    port: z.int().exactOptional(),
    path: pathChange.exactOptional(),
    status: z.int(),
  }),
  z.strictObject({
    kind: z.literal('direct'),
    status: z.int(),
    body: z.string(),
    contentType: z.string(),
  }),
]);

const actions = z.strictObject({
  headers: headers.exactOptional(),
  rewrite: z
    .strictObject({ host: z.string().exactOptional(), path: pathChange.exactOptional() })
    .exactOptional(),
  cors: z
    .strictObject({
      allowOrigins: z.array(z.string()),
      allowMethods: z.array(z.string()),
      allowHeaders: z.array(z.string()),
      exposeHeaders: z.array(z.string()),
      allowCredentials: z.boolean(),
      maxAgeSeconds: z.int(),
    })
    .exactOptional(),
  answer: answer.exactOptional(),
});

const mirror = z.strictObject({
  backend: z.int(),
  portion: z.strictObject({ numerator: z.int(), denominator: z.int() }),
  compare: z.strictObject({ headers: z.array(z.string()), body: z.boolean() }).exactOptional(),
});

const budget = z.strictObject({
  percent: z.int(),
  intervalMs: z.int(),
  minPerSecond: z.int(),
  refuses: z.literal(true).exactOptional(),
});

const hedging = z.strictObject({
  after: z.union([z.strictObject({ delayMs: z.int() }), z.strictObject({ percentile: z.int() })]),
  attempts: z.int(),
  methods: z.array(z.string()),
  budget,
});

const portion = z.strictObject({ numerator: z.int(), denominator: z.int() });

const logChoice = z.strictObject({
  mode: z.enum(['off', 'all', 'selected']),
  select: z
    .strictObject({
      errors: z.boolean(),
      denied: z.boolean(),
      slowerThanMs: z.int().exactOptional(),
      sampling: portion.exactOptional(),
    })
    .exactOptional(),
  removeQuery: z.boolean(),
});

const fault = z.strictObject({
  abort: z.strictObject({ portion, status: z.int(), grpcStatus: z.int() }).exactOptional(),
  delay: z.strictObject({ portion, durationMs: z.int() }).exactOptional(),
  slowBody: z.strictObject({ portion, bytesPerSecond: z.int() }).exactOptional(),
  maxActive: z.int(),
});

const limits = z.strictObject({
  maxConnections: z.int().exactOptional(),
  maxRequests: z.int().exactOptional(),
  maxPending: z.int(),
  adaptive: z.strictObject({ min: z.int(), max: z.int() }).exactOptional(),
});

const match = z.strictObject({
  headers: z.array(named),
  path: text.exactOptional(),
  query: z.array(named).exactOptional(),
  method: z.string().exactOptional(),
  port: z.int().exactOptional(),
  from: z
    .strictObject({
      namespaces: z.array(z.string()),
      serviceAccounts: z.array(z.strictObject({ namespace: z.string(), name: z.string() })),
      labels,
    })
    .exactOptional(),
});

const hashInput = z.union([
  z.strictObject({ kind: z.enum(['header', 'cookie', 'query']), name: z.string() }),
  z.strictObject({ kind: z.enum(['path', 'sourceAddress']) }),
]);

const certificate = z.string().transform((base64) => new Uint8Array(Buffer.from(base64, 'base64')));

const destination: z.ZodType<Destination> = z.strictObject({
  criticalFeatures: z.array(z.string()),
  key: z.string(),
  target: z.strictObject({
    kind: z.enum(['service', 'pod']),
    namespace: z.string(),
    name: z.string(),
    port: z.int(),
  }),
  protocol,
  endpoints: z.array(
    z.strictObject({
      address: z.string(),
      port: z.int(),
      identity: z.string().exactOptional(),
      network: z.string().exactOptional(),
      zone: z.string().exactOptional(),
      node: z.string().exactOptional(),
      opaque: z.boolean(),
      weight: z.int().exactOptional(),
    }),
  ),
  backends: z.array(
    z.strictObject({
      name: z.string(),
      endpoints: z.array(z.int()),
      invalid: z.string().exactOptional(),
      node: z.enum(['prefer', 'only']).exactOptional(),
      affinitySeconds: z.int().exactOptional(),
      tls: z.int().exactOptional(),
    }),
  ),
  tls: z
    .array(
      z.strictObject({
        policy: z.string(),
        serverName: z.string(),
        dnsNames: z.array(z.string()),
        uris: z.array(z.string()),
        authorities: z.array(certificate),
        refused: z.string().exactOptional(),
      }),
    )
    .exactOptional(),
  routes: z.array(
    z.strictObject({
      name: z.string(),
      matches: z.array(match),
      split: z.array(z.strictObject({ backend: z.int(), weight: z.int(), headers: headers.exactOptional() })),
      mirrors: z.array(mirror).exactOptional(),
      retries: z
        .strictObject({
          attempts: z.int(),
          on: z.array(z.string()),
          statuses: z.array(z.int()),
          methods: z.array(z.string()),
          backoffMs: z.int().exactOptional(),
          budget,
        })
        .exactOptional(),
      session: z
        .strictObject({
          carrier: z.enum(['cookie', 'header']),
          name: z.string(),
          lifetimeMs: z.int().exactOptional(),
          permanent: z.literal(true).exactOptional(),
          byPath: z.literal(true).exactOptional(),
          path: z.string().exactOptional(),
        })
        .exactOptional(),
      bytesOnly: z.boolean().exactOptional(),
      timeouts: z
        .strictObject({
          requestMs: z.int().exactOptional(),
          perTryMs: z.int().exactOptional(),
          connectMs: z.int().exactOptional(),
          idleMs: z.int().exactOptional(),
          streamMs: z.int().exactOptional(),
        })
        .exactOptional(),
      actions: actions.exactOptional(),
      hedging: hedging.exactOptional(),
      fault: fault.exactOptional(),
      limits: limits.exactOptional(),
    }),
  ),
  limits: limits.exactOptional(),
  outliers: z
    .strictObject({
      consecutiveFailures: z.int().exactOptional(),
      consecutiveGatewayErrors: z.int().exactOptional(),
      consecutiveLocalErrors: z.int().exactOptional(),
      successRate: z
        .strictObject({ below: z.int(), windowMs: z.int(), minRequests: z.int() })
        .exactOptional(),
      ejection: z.strictObject({
        baseMs: z.int(),
        maxMs: z.int(),
        maxPercent: z.int(),
        panicPercent: z.int(),
      }),
    })
    .exactOptional(),
  loadBalancer: z.strictObject({
    algorithm: z.enum(['peakEwma', 'leastRequest', 'roundRobin', 'random', 'ringHash', 'maglev']),
    hash: z.array(hashInput).exactOptional(),
    maxLoadPercent: z.int().exactOptional(),
    zone: z.enum(['any', 'prefer', 'strict']).exactOptional(),
    slowStartMs: z.int().exactOptional(),
  }),
  sampling: portion.exactOptional(),
  accessLog: logChoice.exactOptional(),
  sessionKey: z
    .hex()
    .transform((text) => new Uint8Array(Buffer.from(text, 'hex')))
    .exactOptional(),
});

const mtls = z.enum(['permissive', 'strict']);

const countedClaim = z.strictObject({ issuer: z.string(), path: z.array(z.string()) });

const limitMatch = match.pick({ headers: true, path: true, method: true });

const rateLimit = z.strictObject({
  matches: z.array(limitMatch).exactOptional(),
  cost: z
    .strictObject({
      amount: z.int(),
      header: z.string().exactOptional(),
      field: z.array(z.string()).exactOptional(),
    })
    .exactOptional(),
  policy: z.string(),
  name: z.string(),
  requests: z.int(),
  perMs: z.int(),
  burst: z.int(),
  pods: z.int(),
  key: z.array(
    z.union([
      z.strictObject({ caller: z.enum(['ServiceAccount', 'Namespace', 'Address', 'Network']) }),
      z.strictObject({ request: z.enum(['Method', 'Path']) }),
      z.strictObject({ header: z.string() }),
      z.strictObject({ claim: countedClaim }),
      z.strictObject({ constant: z.strictObject({ name: z.string(), value: z.string() }) }),
    ]),
  ),
  dryRun: z.boolean(),
});

const callerLimit = z.strictObject({
  to: z.strictObject({
    kind: z.enum(['Service', 'ExternalService']),
    namespace: z.string(),
    name: z.string(),
  }),
  limit: rateLimit,
});

const asks = z.strictObject({ service: z.string(), address: z.string(), port: z.int() });

const sharedLimits = z.strictObject({
  service: z.string(),
  port: z.int(),
  asks: asks.exactOptional(),
  domain: z.string(),
  timeoutMs: z.int(),
  limits: z.array(z.strictObject({ limit: rateLimit, onFailure: z.enum(['allow', 'deny', 'podShare']) })),
});

const externalCheck = z.strictObject({
  policy: z.string(),
  asks: asks.exactOptional(),
  timeoutMs: z.int(),
  onFailure: z.enum(['deny', 'allow']),
  allowedHeaders: z.array(z.string()),
  http: z
    .strictObject({
      prefix: z.string(),
      toApplication: z.array(z.string()),
      toCaller: z.array(z.string()),
    })
    .exactOptional(),
  body: z.strictObject({ maxBytes: z.int(), onTooLong: z.enum(['deny', 'sendPartial']) }).exactOptional(),
  exempt: z.array(
    z.strictObject({
      method: z.string().exactOptional(),
      path: z.strictObject({ kind: z.enum(['exact', 'prefix']), value: z.string() }),
    }),
  ),
  dryRun: z.boolean(),
});

const inboundPort = z.strictObject({
  port: z.int(),
  protocol,
  mtls,
  services: z.array(z.string()),
  rateLimits: z.array(rateLimit).exactOptional(),
  sharedLimits: z.array(sharedLimits).exactOptional(),
  externalChecks: z.array(externalCheck).exactOptional(),
  sampling: portion.exactOptional(),
  accessLog: logChoice.exactOptional(),
});

const inverted = z.literal(true).exactOptional();

const trustedIssuer = z.strictObject({
  issuer: z.strictObject({
    ref: z.strictObject({
      kind: z.literal('JwtIssuer'),
      namespace: z.string(),
      name: z.string(),
      uid: z.string(),
      generation: z.int(),
      creationTimestamp: z.string(),
    }),
    issuer: z.string(),
    audiences: z.array(z.string()),
    keys: z.strictObject({ kind: z.literal('url'), url: z.string() }),
    skewSeconds: z.int(),
    location: z.union([
      z.strictObject({ kind: z.literal('bearer') }),
      z.strictObject({ kind: z.enum(['header', 'cookie']), name: z.string() }),
    ]),
    forwarding: z.enum(['keep', 'remove']),
  }),
  keys: z.array(
    z.strictObject({
      id: z.string(),
      algorithms: z.array(z.string()),
      material: z.union([
        z.strictObject({ kind: z.literal('rsa'), modulus: z.string(), exponent: z.string() }),
        z.strictObject({ kind: z.enum(['p256', 'p384', 'ed25519']), point: z.string() }),
      ]),
    }),
  ),
});

const access: z.ZodType<AccessConfig> = z.strictObject({
  default: z.enum(['allow', 'wouldDeny', 'deny']),
  bindings: z.array(z.string()),
  permissions: z.array(
    z.strictObject({
      ports: z.array(z.int()),
      methods: z.array(z.string()).exactOptional(),
      paths: z.array(z.string()).exactOptional(),
      headers: z
        .array(
          z.strictObject({
            name: z.string(),
            condition: z.union([
              z.strictObject({ kind: z.enum(['exact', 'prefix']), value: z.string() }),
              z.strictObject({ kind: z.literal('present') }),
            ]),
          }),
        )
        .exactOptional(),
    }),
  ),
  subjects: z.array(
    z.strictObject({
      allOf: z.array(
        z.union([
          z.strictObject({ kind: z.enum(['anyone', 'authenticated', 'unauthenticated']), inverted }),
          z.strictObject({
            kind: z.literal('serviceAccount'),
            trustDomain: z.string(),
            namespace: z.string(),
            name: z.string(),
            inverted,
          }),
          z.strictObject({
            kind: z.literal('namespace'),
            trustDomain: z.string(),
            name: z.string(),
            inverted,
          }),
          z.strictObject({ kind: z.literal('trustDomain'), name: z.string(), inverted }),
          z.strictObject({ kind: z.literal('ipBlock'), address: z.string(), length: z.int(), inverted }),
          z.strictObject({
            kind: z.literal('jwt'),
            issuer: z.string(),
            claims: z.array(z.strictObject({ path: z.array(z.string()), anyOf: z.array(z.string()) })),
            inverted,
          }),
        ]),
      ),
      grants: z.array(
        z.strictObject({
          permission: z.int(),
          binding: z.int(),
          effect: z.enum(['allow', 'deny']),
          mode: z.enum(['enforce', 'dryRun']),
        }),
      ),
    }),
  ),
  jwtIssuers: z.array(trustedIssuer).exactOptional(),
  countedClaims: z.array(countedClaim).exactOptional(),
});

const externalPort = z.strictObject({
  port: z.int(),
  protocol: z.enum(['tls', 'http', 'tcp']),
  tls: z
    .strictObject({
      port: z.int(),
      dnsNames: z.array(z.string()),
      uris: z.array(z.string()),
      authorities: z.int().exactOptional(),
      refused: z.string().exactOptional(),
    })
    .exactOptional(),
});

const workload: z.ZodType<WorkloadConfig> = z.strictObject({
  criticalFeatures: z.array(z.string()),
  key: z.string(),
  identity: z.string(),
  node: z.string().exactOptional(),
  zone: z.string().exactOptional(),
  labels,
  mtls,
  inboundPorts: z.array(inboundPort),
  outbound: z.enum(['allowAny', 'dryRun', 'registryOnly']),
  externalServices: z
    .array(
      z.strictObject({
        name: z.string(),
        hosts: z.array(z.string()),
        ports: z.array(externalPort),
        addresses: z.array(z.strictObject({ address: z.string(), length: z.int() })),
        privateAddresses: z.boolean(),
        permitted: z.boolean(),
      }),
    )
    .exactOptional(),
  authorities: z.array(z.array(certificate)).exactOptional(),
  ingressMode: z.boolean(),
  via: z.boolean(),
  forwarded: z.boolean(),
  access: access.exactOptional(),
  tracing: z
    .strictObject({
      asks: asks.exactOptional(),
      protocol: z.enum(['grpc', 'http']),
      sampling: portion,
    })
    .exactOptional(),
  accessLog: logChoice
    .extend({
      format: z.enum(['json', 'text']),
      omit: z.array(z.string()),
      requestHeaders: z.array(z.string()),
      collector: z
        .strictObject({ asks: asks.exactOptional(), protocol: z.enum(['grpc', 'http']) })
        .exactOptional(),
      silent: z.boolean(),
    })
    .exactOptional(),
  callerLimits: z.array(callerLimit).exactOptional(),
});

/** One resource in terms of the model, as a golden file writes it down. */
export const goldenCase = z.union([z.strictObject({ destination }), z.strictObject({ workload })]);
