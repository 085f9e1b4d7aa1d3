# shellcheck shell=bash
# The order in which the parts come up and go down.

DAEMONS=(etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy)

cluster_healthy() {
  all_daemons_alive "$NODE" "${DAEMONS[@]}" && api_server_ready >/dev/null 2>&1 &&
    [[ $(kubernetes_running) == "$(kubernetes_wanted)" ]] && node_ready "$NODE" &&
    dns_available && default_account_exists >/dev/null 2>&1
}

cluster_boot() {
  local from=$EPOCHREALTIME
  rotate_logs
  mkdir -p "$STATE_DIR/$NODE" "$RUN_DIR/$NODE"
  machine_claim
  step 'namespace and cgroup' prepare_node "$NODE"
  step 'certificates' certificates
  step 'etcd and API server' boot_api_server
  step 'containerd and images' boot_runtime "$NODE"
  step 'other parts and DNS applied' boot_rest "$NODE"
  step 'node ready' wait_for_daemon "$NODE" kubelet 60 node_ready "$NODE"
  step 'default service account' wait_for 60 'the default service account' default_account_exists
  step 'CoreDNS available' wait_for 60 'CoreDNS' dns_available
  printf '  %-42s %6s s\n' "cluster up, Kubernetes $(kubernetes_wanted)" "$(seconds_since "$from")"
}

rotate_logs() {
  rm -rf "$LOG_DIR.previous"
  [[ ! -d $LOG_DIR ]] || mv "$LOG_DIR" "$LOG_DIR.previous"
  mkdir -p "$LOG_DIR/pods"
}

prepare_node() { # NODE
  cgroup_create "$1"
  network_up "$1"
  # It needs no certificate, and by the time that it is asked for, it runs.
  containerd_up "$1"
}

certificates() {
  pki_create
  control_plane_kubeconfigs
}

boot_api_server() {
  etcd_up
  wait_for_daemon "$NODE" etcd 30 etcd_ready
  api_server_up
  wait_for_daemon "$NODE" kube-apiserver 60 api_server_ready
}

boot_runtime() { # NODE
  local archive
  wait_for_daemon "$1" containerd 30 containerd_ready "$1"
  for archive in "$IMAGE_DIR"/*.tar; do
    import_image "$1" "$archive" >"$LOG_DIR/import.log" 2>&1 || die "import of $archive: $(<"$LOG_DIR/import.log")"
  done
}

boot_rest() { # NODE
  controller_manager_up
  scheduler_up
  kubelet_up "$1"
  kube_proxy_up "$1"
  dns_apply >"$LOG_DIR/apply.log"
}

# Anything left of an earlier boot, whole or broken.
cluster_remains() {
  [[ -e $STATE_DIR || -e $RUN_DIR || -e /run/netns/$NODE || -e /sys/class/net/$HOST_LINK ||
    -d $(cgroup_tracker)/$NODE ]]
}

# Nothing is asked to end in good order: all of its state is removed with it.
cluster_remove() {
  cgroup_kill "$NODE"
  network_down "$NODE"
  machine_restore
  cgroup_remove "$NODE"
  rm -f "$KUBECONFIG_FILE"
}
