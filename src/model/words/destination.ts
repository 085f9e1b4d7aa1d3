import type { LogChoice, PodAccessLog } from './access-log.js';
import type { AccessConfig } from './access-config.js';
import type { PodExternalCheck } from './external-check.js';
import type { PodTracing } from './tracing.js';
import type { DirtyKey, ServiceKey } from './keys.js';
import type { LoadBalancer, PolicyRef, Retries, RouteMatch, Timeouts } from './policy.js';
import type { PodCallerLimit, PodRateLimit, PodSharedLimits } from './rate-limit.js';
import type { Fault, Hedging, Limits, Outliers } from './resilience.js';
import type { Comparison, MessageHeaders, Portion, RouteActions } from './route-actions.js';
import type { Session } from './session.js';
import type { NodePolicy } from './service.js';
import type { PodExternalService } from './external-service.js';
import type { OutboundPolicy, ReceiverMode } from './settings.js';

/** What a subscription names: a port of a Service, or a port of one pod. */
export type DestinationRef =
  | {
      readonly kind: 'service';
      readonly service: ServiceKey;
      readonly port: number;
      /** Family of the dialled address, when it is not the Service's first; its endpoints are preferred. */
      readonly family?: 'ipv4' | 'ipv6';
    }
  | {
      readonly kind: 'pod';
      readonly uid: string;
      /** The dialled one of the pod's addresses, in canonical form. */
      readonly address: string;
      readonly port: number;
    };

/** What a port speaks; `unknown` asks the proxy to detect it. */
export type Protocol = 'unknown' | 'http1' | 'http2' | 'opaque';

/** Everything a proxy needs to send traffic somewhere. */
export interface Destination {
  readonly criticalFeatures: readonly string[];
  /**
   * `<cluster>/<network>/<namespace>/<service>:<port>/<consumer namespace or ->`, or `.../pod/<pod>:<port>/-`. The port
   * is followed by `,ipv4` or `,ipv6` where that is the dialled family and not the first of the Service or pod.
   */
  readonly key: string;
  readonly target: {
    readonly kind: 'service' | 'pod';
    readonly namespace: string;
    readonly name: string;
    readonly port: number;
  };
  readonly protocol: Protocol;
  /** Every endpoint that a backend refers to, once. */
  readonly endpoints: readonly Endpoint[];
  readonly backends: readonly Backend[];
  /** First match wins; never empty. */
  readonly routes: readonly Route[];
  readonly loadBalancer: LoadBalancer;
  /** When endpoints get a rest; absent: never. */
  readonly outliers?: Outliers;
  /** Of all that is under way; absent: no limit. */
  readonly limits?: Limits;
  /** How many of the traces are told that begin with a request to it; absent: as many as the mesh wants. */
  readonly sampling?: Portion;
  /** Which requests to it are logged; absent: as the mesh wants. */
  readonly accessLog?: LogChoice;
  /** What tokens of sessions are made with; where a route keeps sessions. */
  readonly sessionKey?: Uint8Array;
  /** The TLS that servers without a proxy expect, where some do. */
  readonly tls?: readonly BackendTls[];
}

/** TLS to servers that are none of the mesh's. */
export interface BackendTls {
  /** `<namespace>/<name>` of the policy. */
  readonly policy: string;
  /** The name that the server is asked for, and must prove where no other names are given. */
  readonly serverName: string;
  /** One of all these must stand in the server's certificate. */
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  /** Certificates (DER) of authorities, one of which must have signed for the server. */
  readonly authorities: readonly Uint8Array[];
  /** Why no server can be verified, so that no connection is opened. */
  readonly refused?: string;
}

export interface Endpoint {
  /** An IP address in canonical text form. */
  readonly address: string;
  readonly port: number;
  /** SPIFFE identity the peer must prove. Absent: the port is not meshed, plain text unless its backend says otherwise. */
  readonly identity?: string;
  /** Absent: the mesh's own network. */
  readonly network?: string;
  readonly zone?: string;
  /** Where its backend looks at nodes. */
  readonly node?: string;
  /** The receiving port takes bytes only. */
  readonly opaque: boolean;
  /** Beside other endpoints. Absent: the usual one, 100. */
  readonly weight?: number;
}

export interface Backend {
  /** `<namespace>/<service>:<port>`, with `{label=value,...}` for a subset. */
  readonly name: string;
  /** Indexes into `Destination.endpoints`. Empty: its share is answered 503. */
  readonly endpoints: readonly number[];
  /** Why the reference does not resolve: its share is answered 500. */
  readonly invalid?: string;
  /** What the caller's node has to do with it. Absent: nothing. */
  readonly node?: NodePolicy;
  /** The caller keeps to one endpoint until it has sent nothing for so long. Absent: it does not. */
  readonly affinitySeconds?: number;
  /** Index into `Destination.tls`, for endpoints without identity. Absent: plain text. */
  readonly tls?: number;
}

export interface Route {
  readonly name: string;
  readonly matches: readonly RouteMatch[];
  /** Empty only where the route answers by itself. */
  readonly split: readonly WeightedBackend[];
  readonly mirrors?: readonly Mirror[];
  /** Takes bytes that are no HTTP, and no request; the first of the routes. */
  readonly bytesOnly?: boolean;
  readonly timeouts?: Timeouts;
  readonly retries?: Retries;
  readonly hedging?: Hedging;
  readonly fault?: Fault;
  readonly limits?: Limits;
  readonly session?: Session;
  readonly actions?: RouteActions;
}

export interface WeightedBackend {
  /** Index into `Destination.backends`. */
  readonly backend: number;
  readonly weight: number;
  readonly headers?: MessageHeaders;
}

export interface Mirror {
  /** Index into `Destination.backends`. */
  readonly backend: number;
  readonly portion: Portion;
  readonly compare?: Comparison;
}

/** A destination and where it came from. */
export interface CompiledDestination {
  /** Same as `destination.key`: equal keys compiled from one mesh are equal destinations. */
  readonly key: string;
  readonly destination: Destination;
  /** The policies and routes whose words are in it, but those that only bound what is sent again. */
  readonly sources: readonly PolicyRef[];
  /** Recompile when one of these gets dirty. */
  readonly depends: readonly DirtyKey[];
}

/** Everything a proxy needs to know about its own pod. */
export interface WorkloadConfig {
  readonly criticalFeatures: readonly string[];
  /** `<cluster>/<network>/<namespace>/<pod>`. */
  readonly key: string;
  readonly identity: string;
  readonly node?: string;
  readonly zone?: string;
  /** Labels of the pod. */
  readonly labels: Readonly<Record<string, string>>;
  /** Mode of ports that are not listed. */
  readonly mtls: ReceiverMode;
  readonly inboundPorts: readonly InboundPort[];
  readonly outbound: OutboundPolicy;
  /** What its namespace declares of the outside; absent: nothing, or nobody asks. */
  readonly externalServices?: readonly PodExternalService[];
  /** Certificates (DER) of authorities, a list each, to which external services refer; absent: none do. */
  readonly authorities?: readonly (readonly Uint8Array[])[];
  readonly ingressMode: boolean;
  /** It names itself in Via. */
  readonly via: boolean;
  /** It tells the application in Forwarded who called. */
  readonly forwarded: boolean;
  /** Who may ask what of it; absent: everybody everything. */
  readonly access?: AccessConfig;
  /** What is told of its requests as traces; absent: nothing. */
  readonly tracing?: PodTracing;
  /** What is logged of its requests; absent: nothing. */
  readonly accessLog?: PodAccessLog;
  /** How many requests it sends to whom; absent: any number. */
  readonly callerLimits?: readonly PodCallerLimit[];
}

export interface InboundPort {
  readonly port: number;
  readonly protocol: Protocol;
  readonly mtls: ReceiverMode;
  /** Services that select the pod with this target port. */
  readonly services: readonly ServiceKey[];
  /** How many requests it takes; absent: any number. */
  readonly rateLimits?: readonly PodRateLimit[];
  /** What a service counts for all pods, a call each, after `rateLimits`; absent: nothing. */
  readonly sharedLimits?: readonly PodSharedLimits[];
  /** Who else is asked, in this order; absent: nobody. */
  readonly externalChecks?: readonly PodExternalCheck[];
  /** How many of the traces are told that begin here; absent: as many as `tracing` says. */
  readonly sampling?: Portion;
  /** Which requests are logged; absent: as `accessLog` says. */
  readonly accessLog?: LogChoice;
}

export interface CompiledWorkload {
  readonly uid: string;
  readonly workload: WorkloadConfig;
  /** The objects whose words are in it. */
  readonly sources: readonly PolicyRef[];
  readonly depends: readonly DirtyKey[];
}
