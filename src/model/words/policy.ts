import type { LogChoice } from './access-log.js';
import type { ExternalCheck } from './external-check.js';
import type { Referrer } from './grant.js';
import type { ServiceKey } from './keys.js';
import type { RateLimit } from './rate-limit.js';
import type { Budget, Fault, Hedging, Limits, Outliers } from './resilience.js';
import type { Session } from './session.js';
import type { Comparison, MessageHeaders, Portion, RouteActions } from './route-actions.js';

/** The object a policy came from. */
export interface PolicyRef {
  readonly kind:
    | 'TrafficPolicy'
    | 'HTTPRoute'
    | 'GRPCRoute'
    | 'TLSRoute'
    | 'TCPRoute'
    | 'XBackendTrafficPolicy'
    | 'BackendTLSPolicy'
    | 'XBackend'
    | 'MeshConfig'
    | 'MeshRole'
    | 'MeshRoleBinding'
    | 'MeshTLSPolicy'
    | 'JwtIssuer'
    | 'ExternalService';
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  /** RFC 3339. Of two policies on one target the oldest wins. */
  readonly creationTimestamp: string;
}

/** What a user asks for the traffic to some Services, read from its object and checked for sense by itself. */
export interface Policy {
  readonly ref: PolicyRef;
  readonly targets: readonly PolicyTarget[];
  /** Routes of Gateway API whose rules get what the only one of `routes` says; there are no `targets` then. */
  readonly routeTargets?: readonly RouteTarget[];
  /** First match wins. Empty: one route that matches everything and goes to the Service itself. */
  readonly routes: readonly PolicyRoute[];
  readonly loadBalancer: LoadBalancer;
  readonly outliers?: Outliers;
  readonly limits?: Limits;
  /** What the Services' own pods take; absent: anything. */
  readonly rateLimits?: readonly RateLimit[];
  /** Who else is asked about requests to the Services' own pods; absent: nobody. */
  readonly externalCheck?: ExternalCheck;
  /** How many of the traces are told that begin with a request to the Services; absent: as many as the mesh wants. */
  readonly sampling?: Portion;
  /** Which requests to the Services are logged; absent: as the mesh wants. */
  readonly accessLog?: LogChoice;
}

/** A Service, or every Service of a namespace that no policy names by itself. */
export type PolicyTarget = ServiceTarget | NamespaceTarget;

export interface ServiceTarget extends TargetPlace {
  readonly service: ServiceKey;
  readonly everyServiceOf?: never;
}

export interface NamespaceTarget extends TargetPlace {
  /** Name of the namespace. */
  readonly everyServiceOf: string;
  readonly service?: never;
}

interface TargetPlace {
  /** Absent: every port that no other policy names. */
  readonly port?: number;
  /** Where the user wrote it, such as `spec.targetRefs[0]`. */
  readonly field: string;
}

/** A route of Gateway API in the policy's own namespace. */
export interface RouteTarget {
  readonly kind: 'HTTPRoute' | 'GRPCRoute';
  readonly namespace: string;
  readonly name: string;
  /** Name of a rule; absent: every rule that no other policy names. */
  readonly section?: string;
  readonly field: string;
}

export interface PolicyRoute {
  /** As the user named it, else `route-<index>`. */
  readonly name: string;
  /** Any of them; empty matches everything. */
  readonly matches: readonly RouteMatch[];
  /** Empty: the Service itself. */
  readonly split: readonly SplitEntry[];
  /** Where copies of requests go beside. */
  readonly mirrors?: readonly MirrorEntry[];
  readonly timeouts?: Timeouts;
  readonly actions?: RouteActions;
  readonly retries?: Omit<Retries, 'budget'>;
  readonly hedging?: Omit<Hedging, 'budget'>;
  /** Of both together; absent: that of the Services its requests go to, else the usual one. */
  readonly budget?: Budget;
  readonly fault?: Fault;
  readonly limits?: Limits;
  /** Absent: that of the Services its requests go to, else none. */
  readonly session?: Session;
}

/** What is tried again, with every default filled in. */
export interface Retries {
  /** Beside the first try. */
  readonly attempts: number;
  /** Conditions by the names that users write. */
  readonly on: readonly string[];
  readonly statuses: readonly number[];
  /** Methods that are tried again after they may have been acted on. */
  readonly methods: readonly string[];
  /** Least pause before the first retry; absent: a short one at random. */
  readonly backoffMs?: number;
  readonly budget: Budget;
}

/** Of retries, where nobody says otherwise: a fifth of the requests within 10 s, and 10 a second in any case. */
export const DEFAULT_BUDGET: Budget = { percent: 20, intervalMs: 10_000, minPerSecond: 10 };

/** In milliseconds; absent: none. */
export interface Timeouts {
  /** From the first byte of a request to the last of its response, with all retries. */
  readonly requestMs?: number;
  /** For each try, until the head of its response. */
  readonly perTryMs?: number;
  /** Until a connection is open; absent: the usual time of a proxy. */
  readonly connectMs?: number;
  /** Without a byte either way. */
  readonly idleMs?: number;
  /** Of an upgraded connection, and of one that carries bytes. */
  readonly streamMs?: number;
}

/** All that is set must hold. */
export interface RouteMatch {
  /** Names in lower case. */
  readonly headers: readonly NamedMatch[];
  readonly path?: PathMatch;
  /** Parameters of the query, percent-decoded; of a repeated one the first. */
  readonly query?: readonly NamedMatch[];
  readonly method?: string;
  /** The port of the Service that was asked for; it decides when a destination is compiled. */
  readonly port?: number;
  readonly from?: CallerMatch;
  /** Server names that a caller's own TLS asks for; `*.` takes every name below. */
  readonly serverNames?: readonly string[];
}

/** A condition on a header or on a parameter of the query. */
export interface NamedMatch {
  readonly name: string;
  readonly condition: TextCondition | { readonly kind: 'present'; readonly value: boolean };
  readonly invert: boolean;
}

/** Who calls: one of each list that is not empty, and all labels. */
export interface CallerMatch {
  readonly namespaces: readonly string[];
  readonly serviceAccounts: readonly { readonly namespace: string; readonly name: string }[];
  readonly labels: Readonly<Record<string, string>>;
}

/** A `prefix` of a path matches by segment, one of a header by character. A `regex` matches the whole value. */
export interface TextCondition {
  readonly kind: 'exact' | 'prefix' | 'regex';
  readonly value: string;
}

export type PathMatch = TextCondition;

/** Endpoints that requests are sent to. */
export interface BackendEntry {
  /** Absent: the Service that the policy targets. */
  readonly service?: {
    readonly namespace: string;
    readonly name: string;
    readonly port?: number;
    /** Whose object says so. */
    readonly from: Referrer;
  };
  /** Why this share goes nowhere and is answered 500, whatever else is said here. */
  readonly invalid?: string;
  /** Only endpoints whose pod has all these labels. */
  readonly labels?: Readonly<Record<string, string>>;
  /** When no endpoint with the labels is ready, use the rest of the Service. */
  readonly fallback: boolean;
  /** Of the rest only endpoints whose pod has all these labels. */
  readonly fallbackLabels?: Readonly<Record<string, string>>;
  /** Where the user wrote it, such as `spec.routes[0].split[1]`. */
  readonly field: string;
}

export interface SplitEntry extends BackendEntry {
  readonly weight: number;
  /** For this share; they come after the route's. */
  readonly headers?: MessageHeaders;
}

/** Copies of requests, whose answers nobody waits for. */
export interface MirrorEntry extends BackendEntry {
  readonly portion: Portion;
  /** Compare the answers with those of the requests. */
  readonly compare?: Comparison;
}

/** How an endpoint is chosen. */
export interface LoadBalancer {
  readonly algorithm: 'peakEwma' | 'leastRequest' | 'roundRobin' | 'random' | 'ringHash' | 'maglev';
  /** Given with ringHash and maglev: the first that a request has counts. */
  readonly hash?: readonly HashInput[];
  /** Bounds what a hash does: most that an endpoint carries, in percent of the mean. */
  readonly maxLoadPercent?: number;
  /** Whether endpoints of the caller's zone come first. Absent: as the Service says, else they do not. */
  readonly zone?: 'any' | 'prefer' | 'strict';
  /** Time in which a new endpoint grows into its share. */
  readonly slowStartMs?: number;
}

/** What requests that go to the same endpoint have in common. Names of headers in lower case. */
export type HashInput =
  | { readonly kind: 'header' | 'cookie' | 'query'; readonly name: string }
  | { readonly kind: 'path' | 'sourceAddress' };
