/** The parts of Kubernetes objects that we keep. Everything else is dropped on arrival: caches of whole pods are how meshes run out of memory. */

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

export interface ObjectMeta {
  readonly name: string;
  /** Empty for cluster-wide kinds. */
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly creationTimestamp: string;
  readonly deleting: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly owner?: OwnerReference;
}

export interface KubeObject {
  readonly metadata: ObjectMeta;
}

export interface Namespace extends KubeObject {
  readonly phase: string;
}

export interface Node extends KubeObject {
  /** Empty when the node has no zone label. */
  readonly zone: string;
  /** Such as `v1.34.4`. */
  readonly kubeletVersion: string;
}

export interface ContainerPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
}

/** A container that our webhook adds, by what cannot be changed after the pod's creation. */
export interface MeshContainer {
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly user: number | undefined;
  /** Value of its variable for ports of bytes; undefined without one, as in pods of versions before it. */
  readonly opaquePorts: string | undefined;
  /** Whether key and certificate come from the kubelet. */
  readonly podCertificate: boolean;
}

export interface Pod extends KubeObject {
  readonly nodeName: string;
  readonly serviceAccount: string;
  readonly hostNetwork: boolean;
  readonly dnsPolicy: string;
  readonly containers: readonly string[];
  readonly initContainers: readonly string[];
  readonly meshContainers: {
    readonly init: MeshContainer | undefined;
    readonly proxy: MeshContainer | undefined;
  };
  readonly ports: readonly ContainerPort[];
  readonly phase: string;
  readonly ips: readonly string[];
  readonly ready: boolean;
  /** Its first container has found that nobody had captured the pod. */
  readonly isUncaptured?: true;
}

export interface ServicePort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  /** A number, or the name of a container port. */
  readonly targetPort: number | string;
  readonly appProtocol: string;
}

export interface Service extends KubeObject {
  readonly type: string;
  /** Empty for headless Services. */
  readonly clusterIPs: readonly string[];
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly ServicePort[];
  readonly publishNotReady: boolean;
  /** Such as `PreferClose`; empty by default. */
  readonly trafficDistribution: string;
  /** Value of the annotation `service.kubernetes.io/topology-mode`; empty without it. */
  readonly topologyMode: string;
  /** `Cluster` or `Local`. */
  readonly internalTrafficPolicy: string;
  /** `None` or `ClientIP`. */
  readonly sessionAffinity: string;
  /** How long a client keeps to its endpoint after its last request, in seconds. */
  readonly affinitySeconds: number;
}

export interface SliceEndpoint {
  readonly addresses: readonly string[];
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zone: string;
  /** The zone that its hints say it should serve; empty without hints. */
  readonly forZone: string;
  /** The node that it runs on; empty where nobody says. */
  readonly nodeName: string;
  /** The node that its hints say it should serve; empty without hints. */
  readonly forNode: string;
  /** Uid of the pod behind it; empty when it is no pod. */
  readonly podUid: string;
}

export interface EndpointSlice extends KubeObject {
  /** Name of the Service it belongs to. */
  readonly service: string;
  readonly addressType: string;
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: string }[];
  readonly endpoints: readonly SliceEndpoint[];
}

export interface ConfigMap extends KubeObject {
  readonly data: Readonly<Record<string, string>>;
}

/** A ConfigMap, of which nothing is kept but the certificates of authorities. */
export interface CaBundleObject extends KubeObject {
  /** Absent: it has none. */
  readonly pem?: string;
}

/** A kubelet's request for a certificate (Kubernetes 1.37). */
export interface PodCertificateRequest extends KubeObject {
  readonly podName: string;
  readonly podUid: string;
  readonly serviceAccount: string;
  readonly nodeName: string;
  readonly nodeUid: string;
  readonly maxExpirationSeconds: number;
  /** PKCS#10 in DER, in base64; empty once it is decided. */
  readonly csr: string;
  /** Keys of `unverifiedUserAnnotations`. */
  readonly annotations: readonly string[];
  /** It was issued, denied or has failed, for good. */
  readonly isDecided: boolean;
}

export interface Secret extends KubeObject {
  /** Decoded from base64. */
  readonly data: Readonly<Record<string, string>>;
}

export interface WebhookConfiguration extends KubeObject {
  readonly webhooks: readonly WebhookEntry[];
}

export interface WebhookEntry {
  readonly name: string;
  readonly caBundle: string;
  /** The Service that is asked; absent where the entry has a URL. */
  readonly asks:
    | { readonly namespace: string; readonly name: string; readonly path?: string; readonly port?: number }
    | undefined;
  readonly failurePolicy: string;
  readonly asksAboutNewPods: boolean;
  /** Rules that name anything else, in words, as in `CREATE, UPDATE of pods`. */
  readonly asksAboutMore: readonly string[];
  readonly hasMatchConditions: boolean;
  /** Requirements in words, values in order, as in `weft.dev/inject In [enabled]`; all have to hold. */
  readonly namespaceSelector: readonly string[];
  readonly objectSelector: readonly string[];
}

/** A condition of `status.conditions`. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

/** A route of Gateway API: what the user wrote stays unparsed here. */
export interface RouteObject extends KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: unknown;
  /** Entries of `status.parents`, ours and those of other controllers, as they are. */
  readonly parents: readonly unknown[];
}

/** Gateway API's XBackendTrafficPolicy: what the user wrote stays unparsed here. */
export interface BackendPolicyObject extends KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: unknown;
  /** Entries of `status.ancestors`, ours and those of other controllers, as they are. */
  readonly ancestors: readonly unknown[];
}

/** A ReferenceGrant of Gateway API. */
export interface ReferenceGrant extends KubeObject {
  readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[];
  /** An empty name means every object of the kind. */
  readonly to: readonly { readonly group: string; readonly kind: string; readonly name: string }[];
}

/** Gateway API's XMesh: who the mesh of a cluster is. */
export interface MeshObject extends KubeObject {
  readonly controllerName: string;
  readonly hasParameters: boolean;
  readonly conditions: readonly Condition[];
  /** Names under `status.supportedFeatures`. */
  readonly features: readonly string[];
}

/** One of our own kinds: what the user wrote stays unparsed here, src/api judges it. */
export interface CustomObject extends KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: unknown;
  readonly conditions: readonly Condition[];
}
