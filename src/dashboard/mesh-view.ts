import type { Row } from '../telemetry/index.js';
import type { Edge } from './edge.js';
import type { Split } from './splits.js';

/** All that the page shows, as `GET /api/mesh` answers it. */
export interface MeshView {
  /** When it was taken, ISO 8601. */
  readonly takenAt: string;
  /** Address of the API server. */
  readonly cluster: string;
  /** Rates are means over about this long; 0 where the control plane could not be asked for the traffic. */
  readonly windowSeconds: number;
  /** Proxies that report to the control plane. */
  readonly reporting: number;
  readonly controlPlane: { readonly ready: number; readonly pods: number };
  /** Namespaces that are labelled for injection, and others that hold meshed pods; sorted. */
  readonly namespaces: readonly NamespaceView[];
  readonly policies: readonly PolicyView[];
  readonly edges: readonly Edge[];
  readonly splits: readonly Split[];
  /** What workloads let in, named `<kind>/<name>` with a small kind; Services as callers see them; namespaces. */
  readonly workloads: readonly Row[];
  readonly services: readonly Row[];
  readonly namespaceSignals: readonly Row[];
  /** What could not be read, for a person. */
  readonly problems: readonly Problem[];
}

export interface Problem {
  /** What it is about: a pod, a kind of object. */
  readonly about: string;
  readonly message: string;
}

export interface NamespaceView {
  readonly name: string;
  /** Whether its label asks for injection. */
  readonly labelled: boolean;
  /** How many pods came to their end, by themselves or by a failure; they are not among the others. */
  readonly ended: number;
  readonly pods: readonly PodView[];
}

export interface PodView {
  readonly name: string;
  /** `<kind>/<name>` of what a person made: a Deployment, a Job; the pod itself where nobody owns it. */
  readonly workload: string;
  /** SPIFFE identity; empty for a pod without a proxy. */
  readonly identity: string;
  /** Tag of the proxy's image; empty for a pod without a proxy. */
  readonly proxyVersion: string;
  /** What the webhook decided, or why there is no decision. */
  readonly injection: string;
  /** It should have a proxy and has none, or one that is not what the webhook adds. */
  readonly lacksProxy: boolean;
  readonly ready: boolean;
  /** `Running` and the like, or `Terminating`. */
  readonly phase: string;
}

export interface PolicyView {
  readonly namespace: string;
  readonly name: string;
  /** `Service shop/reviews:8080` and the like. */
  readonly targets: readonly string[];
  /** One line a route, such as `canary: 90 % version=v1, 10 % version=v2`. */
  readonly routes: readonly string[];
  /** What its routes divide by weight. */
  readonly shares: readonly WantedShare[];
  readonly conditions: readonly ConditionView[];
}

/** A share that a route asks for. */
export interface WantedShare {
  readonly route: string;
  /** `<namespace>/<name>`; empty for the Service that was dialled. */
  readonly service: string;
  /** Of the pods, as proxies write them: `{version=v2}`; empty for all. */
  readonly labels: string;
  /** 0 to 1. */
  readonly share: number;
}

export interface ConditionView {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  /** It speaks of an earlier version of the policy. */
  readonly outdated: boolean;
}
