# shellcheck shell=bash
# The same cluster made by kind, where Docker works and kind is installed. NOT RUN by the authors:
# their machine has no Docker. kind-config.yaml is checked against kind's own types instead.

use_kind() {
  command -v kind >/dev/null && docker info >/dev/null 2>&1
}

kind_up() {
  if ! command -v kubectl >/dev/null || ! command -v helm >/dev/null; then
    "$CLUSTER_DIR/build.sh" clients
  fi
  if ! kind get clusters 2>/dev/null | grep --quiet --line-regexp "$CLUSTER_NAME"; then
    kind create cluster --name "$CLUSTER_NAME" --config "$REPO_DIR/kind-config.yaml" \
      --kubeconfig "$KUBECONFIG_FILE" --wait 180s
  fi
  kind export kubeconfig --name "$CLUSTER_NAME" --kubeconfig "$KUBECONFIG_FILE"
  # Captures take root and Linux; the cluster itself does not.
  if ((EUID == 0)) && command -v ip >/dev/null; then
    kind_name_namespace
  fi
}

kind_down() {
  kind_forget_namespace
  kind delete cluster --name "$CLUSTER_NAME" --kubeconfig "$KUBECONFIG_FILE"
  rm -f "$KUBECONFIG_FILE"
}

kind_load() { # FILE
  kind load image-archive "$1" --name "$CLUSTER_NAME"
}

# Gives the node's namespace the name that captures ask for.
kind_name_namespace() {
  kind_forget_namespace
  ip netns attach "$NODE" "$(docker inspect --format '{{.State.Pid}}' "$CLUSTER_NAME-control-plane")"
}

kind_forget_namespace() {
  [[ ! -e /run/netns/$NODE ]] || ip netns delete "$NODE"
}
