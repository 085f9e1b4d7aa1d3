import { isIP } from 'node:net';
import { z } from 'zod';
import { MeshError, isQuantity } from './base/index.js';

/** What the control plane is told by its environment; the chart sets all of it. This is the only reader of it. */
export interface Config {
  /** Name of this control plane beside others: `WEFT_REVISION`, default `default`. */
  readonly revision: string;
  /** Namespace we run in: `WEFT_NAMESPACE`, default `weft-system`. */
  readonly namespace: string;
  /** Our own pod: `WEFT_POD_NAME` and `WEFT_POD_UID`; absent outside a cluster. */
  readonly pod: { readonly name: string; readonly uid: string } | undefined;
  /** Image that meshed pods get their proxy from, the one we run ourselves: `WEFT_IMAGE`, no default. */
  readonly image: string;
  /** The program `weft-proxy`, which is started as the front of the port for proxies: `WEFT_FRONT`, by default where the image has it. */
  readonly front: string;
  /** `WEFT_TRUST_DOMAIN`, default `cluster.local`. */
  readonly trustDomain: string;
  /** DNS domain of Services: `WEFT_CLUSTER_DOMAIN`, default `cluster.local`. */
  readonly clusterDomain: string;
  /** `WEFT_LOG_LEVEL`, default `info`. */
  readonly logLevel: LogLevel;
  /**
   * Security that no object undercuts: `WEFT_MTLS_MINIMUM` (default `Permissive`), `WEFT_OUTBOUND_MINIMUM` and
   * `WEFT_ACCESS_MINIMUM`, by default the most open.
   */
  readonly minimum: {
    readonly mtls: (typeof MTLS_MODES)[number];
    readonly outbound: (typeof OUTBOUND_POLICIES)[number];
    readonly access: (typeof ACCESS_DEFAULTS)[number];
  };
  /** Whether proxies must come from an address of their pod: `WEFT_CHECK_PEER_ADDRESS`, default `true`. */
  readonly checkPeerAddress: boolean;
  /** Whether the kubelet brings pods their certificates where they and their namespaces say nothing: `WEFT_POD_CERTIFICATES`, default `Off`. */
  readonly podCertificates: (typeof POD_CERTIFICATES)[number];
  /** Who programs the rules of pods: `WEFT_CAPTURE`, default `InitContainer`. */
  readonly capture: (typeof CAPTURE_MODES)[number];
  /** Networks (CIDR) beside the internet from which keys of JwtIssuers may be fetched: `WEFT_JWT_PRIVATE_NETWORKS`, by default none. */
  readonly jwtPrivateNetworks: readonly string[];
  /**
   * How many pods that should have a proxy and have none may be evicted in a minute: `WEFT_EVICT_PER_MINUTE`, default 0, never.
   */
  readonly evictPerMinute: number;
  /**
   * What proxies are injected with: `WEFT_PROXY_LOG` (default `info`), `WEFT_PROXY_SCRAPE_ANNOTATIONS` (default `false`) and
   * `WEFT_PROXY_{CPU,MEMORY}_{REQUEST,LIMIT}`.
   */
  readonly proxy: {
    readonly log: string;
    readonly scrapeAnnotations: boolean;
    readonly resources: {
      readonly cpuRequest?: string;
      readonly cpuLimit?: string;
      readonly memoryRequest?: string;
      readonly memoryLimit?: string;
    };
  };
}

/** Words of a MeshConfig, the most open first. */
const MTLS_MODES = ['Disabled', 'Permissive', 'Strict'] as const;
const OUTBOUND_POLICIES = ['AllowAny', 'DryRunRegistryOnly', 'RegistryOnly'] as const;
const ACCESS_DEFAULTS = ['Allow', 'DryRunDeny', 'Deny'] as const;

const POD_CERTIFICATES = ['Off', 'Auto', 'On'] as const;

const CAPTURE_MODES = ['InitContainer', 'CNI'] as const;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
type LogLevel = (typeof LOG_LEVELS)[number];

const dnsLabel = (remedy: string): z.ZodString =>
  z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, `is not a valid DNS label; ${remedy}`);
const domain = z
  .string()
  .max(253, 'is longer than 253 characters; give a DNS name such as cluster.local')
  .regex(
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
    'is not a valid DNS name; give one such as cluster.local',
  );
const quantity = z
  .string()
  .refine(isQuantity, 'is not a valid Kubernetes quantity; write it as in 100m or 32Mi')
  .optional();

const networks = z
  .string()
  .default('')
  .transform((text) => text.split(',').filter((network) => network !== ''))
  .refine(
    (all) => all.every(isNetwork),
    'has what is not a block of addresses; write each as in 10.0.0.0/8, with a comma between them',
  );

const environment = z.object({
  WEFT_REVISION: dnsLabel('give lower-case letters, digits and dashes, at most 63').default('default'),
  WEFT_NAMESPACE: dnsLabel('give the namespace of the control plane').default('weft-system'),
  WEFT_POD_NAME: z.string().optional(),
  WEFT_POD_UID: z.string().optional(),
  WEFT_IMAGE: z.string('is not set; give the image that holds weft-proxy, such as docker.io/weft/weft:dev'),
  WEFT_FRONT: z.string().default('/usr/local/bin/weft-proxy'),
  WEFT_TRUST_DOMAIN: domain.default('cluster.local'),
  WEFT_CLUSTER_DOMAIN: domain.default('cluster.local'),
  WEFT_LOG_LEVEL: z
    .enum(LOG_LEVELS, `is not a valid log level; give one of ${LOG_LEVELS.join(', ')}`)
    .default('info'),
  WEFT_MTLS_MINIMUM: z
    .enum(MTLS_MODES, `is not an mTLS mode; give one of ${MTLS_MODES.join(', ')}`)
    .default('Permissive'),
  WEFT_OUTBOUND_MINIMUM: z
    .enum(OUTBOUND_POLICIES, `is not an outbound policy; give one of ${OUTBOUND_POLICIES.join(', ')}`)
    .default('AllowAny'),
  WEFT_ACCESS_MINIMUM: z
    .enum(ACCESS_DEFAULTS, `is not a default of access; give one of ${ACCESS_DEFAULTS.join(', ')}`)
    .default('Allow'),
  WEFT_CHECK_PEER_ADDRESS: z.enum(['true', 'false'], 'is neither true nor false').default('true'),
  WEFT_POD_CERTIFICATES: z
    .enum(POD_CERTIFICATES, `is not a choice; give one of ${POD_CERTIFICATES.join(', ')}`)
    .default('Off'),
  WEFT_CAPTURE: z
    .enum(CAPTURE_MODES, `is not a way to capture; give one of ${CAPTURE_MODES.join(', ')}`)
    .default('InitContainer'),
  WEFT_JWT_PRIVATE_NETWORKS: networks,
  WEFT_EVICT_PER_MINUTE: z
    .string()
    .regex(/^([0-9]|[1-5][0-9]|60)$/, 'is not a whole number from 0 to 60; 0 evicts no pods')
    .default('0'),
  WEFT_PROXY_LOG: z.string().default('info'),
  WEFT_PROXY_SCRAPE_ANNOTATIONS: z.enum(['true', 'false'], 'is neither true nor false').default('false'),
  WEFT_PROXY_CPU_REQUEST: quantity,
  WEFT_PROXY_CPU_LIMIT: quantity,
  WEFT_PROXY_MEMORY_REQUEST: quantity,
  WEFT_PROXY_MEMORY_LIMIT: quantity,
});

function isNetwork(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/');
  const most = { 4: 32, 6: 128 }[isIP(address)];
  return rest.length === 0 && most !== undefined && /^[0-9]{1,3}$/.test(bits) && Number(bits) <= most;
}

/** Reads and checks the environment; throws once, naming every variable that is wrong and what to do about it. */
export function readConfig(env: Readonly<Record<string, string | undefined>> = process.env): Config {
  // An empty value in a manifest means that nobody chose one.
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = environment.safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`);
    throw new MeshError('precondition', `the environment is not right: ${problems.join('; ')}`);
  }
  return Object.freeze(toConfig(parsed.data));
}

function toConfig(env: z.infer<typeof environment>): Config {
  const { WEFT_POD_NAME: name, WEFT_POD_UID: uid } = env;
  return {
    revision: env.WEFT_REVISION,
    namespace: env.WEFT_NAMESPACE,
    pod: name === undefined || uid === undefined ? undefined : { name, uid },
    image: env.WEFT_IMAGE,
    front: env.WEFT_FRONT,
    trustDomain: env.WEFT_TRUST_DOMAIN,
    clusterDomain: env.WEFT_CLUSTER_DOMAIN,
    logLevel: env.WEFT_LOG_LEVEL,
    minimum: {
      mtls: env.WEFT_MTLS_MINIMUM,
      outbound: env.WEFT_OUTBOUND_MINIMUM,
      access: env.WEFT_ACCESS_MINIMUM,
    },
    checkPeerAddress: env.WEFT_CHECK_PEER_ADDRESS === 'true',
    podCertificates: env.WEFT_POD_CERTIFICATES,
    capture: env.WEFT_CAPTURE,
    jwtPrivateNetworks: env.WEFT_JWT_PRIVATE_NETWORKS,
    evictPerMinute: Number(env.WEFT_EVICT_PER_MINUTE),
    proxy: {
      log: env.WEFT_PROXY_LOG,
      scrapeAnnotations: env.WEFT_PROXY_SCRAPE_ANNOTATIONS === 'true',
      resources: proxyResources(env),
    },
  };
}

function proxyResources(env: z.infer<typeof environment>): Config['proxy']['resources'] {
  const all = {
    cpuRequest: env.WEFT_PROXY_CPU_REQUEST,
    cpuLimit: env.WEFT_PROXY_CPU_LIMIT,
    memoryRequest: env.WEFT_PROXY_MEMORY_REQUEST,
    memoryLimit: env.WEFT_PROXY_MEMORY_LIMIT,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
