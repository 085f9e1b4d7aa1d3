{{/* Made from src/controller/kinds by make generate. */}}
{{- define "weft.kinds.rules" -}}
# What the mesh consists of; of nodes only zone and kubelet version.
- apiGroups: [""]
  resources: [pods, services, namespaces, nodes]
  verbs: [list, watch]
# Endpoints of Services.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
# Policies and settings that users write.
- apiGroups: [weft.dev]
  resources: [trafficpolicies, meshconfigs, meshroles, meshrolebindings, meshtlspolicies, jwtissuers, externalservices]
  verbs: [list, watch]
# Their status.
- apiGroups: [weft.dev]
  resources: [trafficpolicies/status, meshconfigs/status, meshroles/status, meshrolebindings/status, meshtlspolicies/status, jwtissuers/status, externalservices/status]
  verbs: [patch]
# Routes and grants of Gateway API.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes, grpcroutes, tlsroutes, tcproutes, referencegrants]
  verbs: [list, watch]
# Our entries in their status.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes/status, grpcroutes/status, tlsroutes/status, tcproutes/status, backendtlspolicies/status]
  verbs: [patch]
# Which servers outside the mesh expect TLS, so that nothing is sent there in plain text.
- apiGroups: [gateway.networking.k8s.io]
  resources: [backendtlspolicies]
  verbs: [list, watch]
# Certificate authorities that BackendTLSPolicies and ExternalServices name; asked for in the namespaces of such objects only, and RBAC cannot be limited to that.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [list, watch]
# The same, where they are in ClusterTrustBundles; and the one of our own.
- apiGroups: [certificates.k8s.io]
  resources: [clustertrustbundles]
  verbs: [list, watch]
# Requests of kubelets for pod certificates; only those of signer `weft.dev/workload` are asked for, and RBAC cannot be limited to that.
- apiGroups: [certificates.k8s.io]
  resources: [podcertificaterequests]
  verbs: [list, watch]
# The experimental channel of Gateway API.
- apiGroups: [gateway.networking.x-k8s.io]
  resources: [xmeshes, xbackendtrafficpolicies, xbackends]
  verbs: [list, watch]
# Our entries in their status.
- apiGroups: [gateway.networking.x-k8s.io]
  resources: [xmeshes/status, xbackendtrafficpolicies/status, xbackends/status]
  verbs: [patch]
{{- end -}}
