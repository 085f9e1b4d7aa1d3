# shellcheck shell=bash
# To be sourced by bash: the environment in which tests and people use the cluster.
#   KUBECONFIG           the administrator's
#   PATH                 kubectl and helm of the pinned build come first; "ctr" talks to the node
#   WEFT_NETNS           the node's network namespace: ip netns exec "$WEFT_NETNS" tcpdump -i any
#   CONTAINERD_ADDRESS, CONTAINERD_NAMESPACE   read by ctr
weft_cluster_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
eval "$(
  # shellcheck source=lib/load.sh
  source "$weft_cluster_dir/lib/load.sh"
  # shellcheck disable=SC2016  # the caller's PATH
  printf 'export KUBECONFIG=%q PATH=%q:"$PATH" WEFT_NETNS=%q\n' "$KUBECONFIG_FILE" "$BIN_DIR" "$NODE"
  printf 'export CONTAINERD_ADDRESS=%q CONTAINERD_NAMESPACE=k8s.io\n' "$(containerd_address "$NODE")"
)"
unset weft_cluster_dir
