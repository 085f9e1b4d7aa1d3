# shellcheck shell=bash
# containerd, kubelet and kube-proxy of one node. Every function takes the node's name, so that a
# second node needs a namespace and addresses of its own, and no other copy of this.

containerd_address() { # NODE
  echo "$RUN_DIR/$1/containerd.sock"
}

containerd_up() { # NODE
  local folder=$STATE_DIR/$1
  write_cni_config "$1" "$folder/cni"
  # restrict_oom_score_adj: runc cannot lower the score where the machine lacks CAP_SYS_RESOURCE.
  cat >"$folder/containerd.toml" <<TOML
version = 2
root = "$folder/containerd"
state = "$RUN_DIR/$1/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "$(containerd_address "$1")"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE_IMAGE"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$folder/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "$RUN_DIR/$1/runc"
TOML
  start_daemon "$1" containerd containerd --config "$folder/containerd.toml" --log-level warn
}

containerd_ready() { # NODE
  ctr --address "$(containerd_address "$1")" version
}

# import_image NODE FILE; an OCI archive, seen by kubelet at once.
import_image() {
  ctr --address "$(containerd_address "$1")" --namespace k8s.io images import "$2"
}

# A threshold for eviction is absolute: a share of a small machine would be most of it. Images are
# never collected, since there is no registry to pull them from again.
kubelet_up() { # NODE
  local folder=$STATE_DIR/$1
  echo "nameserver $DNS_SERVICE_IP4" >"$folder/resolv.conf"
  write_kubeconfig "$folder/kubelet.kubeconfig" kubelet
  cat >"$folder/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: "::"
healthzBindAddress: 127.0.0.1
tlsCertFile: $PKI_DIR/kubelet-serving.crt
tlsPrivateKeyFile: $PKI_DIR/kubelet-serving.key
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $PKI_DIR/ca.crt}
authorization: {mode: Webhook}
clusterDNS: [$DNS_SERVICE_IP4]
clusterDomain: $DNS_DOMAIN
resolvConf: $folder/resolv.conf
containerRuntimeEndpoint: unix://$(containerd_address "$1")
cgroupDriver: cgroupfs
cgroupRoot: /$1
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
enforceNodeAllocatable: []
evictionHard:
  memory.available: 256Mi
  nodefs.available: 1Gi
  nodefs.inodesFree: 1%
  imagefs.available: 1Gi
  imagefs.inodesFree: 1%
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
maxPods: 200
serializeImagePulls: false
volumePluginDir: $STATE_DIR/flex-volumes
podLogsDir: $LOG_DIR/pods
YAML
  start_daemon "$1" kubelet "$BIN_DIR/kubelet" \
    --config "$folder/kubelet.yaml" --kubeconfig "$folder/kubelet.kubeconfig" \
    --root-dir "$folder/kubelet" --cert-dir "$folder/kubelet/pki" \
    --hostname-override "$1" --node-ip "$NODE_IP4,$NODE_IP6" \
    --node-labels "topology.kubernetes.io/zone=$NODE_ZONE"
}

# conntrack: its limits belong to the machine, and a namespace may not write them.
kube_proxy_up() { # NODE
  local folder=$STATE_DIR/$1
  write_kubeconfig "$folder/kube-proxy.kubeconfig" kube-proxy
  cat >"$folder/kube-proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $folder/kube-proxy.kubeconfig}
hostnameOverride: $1
mode: iptables
clusterCIDR: $POD_CIDRS
detectLocalMode: ClusterCIDR
iptables: {localhostNodePorts: false, minSyncPeriod: 100ms}
oomScoreAdj: 0
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
YAML
  start_daemon "$1" kube-proxy "$BIN_DIR/kube-proxy" --config "$folder/kube-proxy.yaml"
}

node_ready() { # NODE
  [[ $(kubectl_admin get node "$1" \
    -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null) == True ]]
}
