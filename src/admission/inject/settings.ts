/** Kubernetes quantities of the proxy container; absent leaves that one unset. */
export interface ProxyResources {
  readonly cpuRequest?: string;
  readonly cpuLimit?: string;
  readonly memoryRequest?: string;
  readonly memoryLimit?: string;
}

/** What the injected containers are made from; a pod's annotations come on top. */
export interface InjectionSettings {
  /** Revision of the control plane that the proxy belongs to; names its Service. */
  readonly revision: string;
  readonly systemNamespace: string;
  readonly trustDomain: string;
  /** DNS domain of the cluster's Services. */
  readonly clusterDomain: string;
  /** Image with `weft-proxy` in it, the control plane's own. */
  readonly image: string;
  /** Log filter of the proxy, as in `info` or `info,weft_proxy::tls=debug`. */
  readonly proxyLog: string;
  readonly resources: ProxyResources;
  /** Whether pods get the annotations by which many a Prometheus finds what it scrapes. */
  readonly scrapeAnnotations: boolean;
  /**
   * Whether every kubelet of the cluster runs native sidecars (1.29 and later). Otherwise the proxy is an ordinary
   * container: init containers have no mesh then, and a Job with a proxy does not finish by itself.
   */
  readonly nativeSidecar: boolean;
  readonly podCertificates: PodCertificates;
  readonly capture: CaptureMode;
}

/**
 * Who programs the rules that hand a pod's traffic to its proxy: an init container with NET_ADMIN, or the CNI plugin of the node, so
 * that the pod needs no capability.
 */
export type CaptureMode = 'InitContainer' | 'CNI';

/** Whether the kubelet brings a pod its key, its certificate and the roots (Kubernetes 1.37), or the proxy asks for them itself. */
export interface PodCertificates {
  /** Where neither pod nor namespace says; `Auto`: wherever nothing stands in the way. */
  readonly choice: 'Auto' | 'On' | 'Off';
  /** Why pods of this cluster cannot have one, and what to do; absent: they can. */
  readonly obstacle?: string | undefined;
}

/** What is known about a namespace. */
export interface Namespace {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Finds a namespace among those the informer has seen. */
export type NamespaceLookup = (name: string) => Namespace | undefined;
