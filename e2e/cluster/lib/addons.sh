# shellcheck shell=bash
# What runs in the cluster from the start.

dns_apply() {
  kubectl_admin apply --filename "$CLUSTER_DIR/manifests/coredns.yaml"
}

dns_available() {
  [[ $(kubectl_admin --namespace kube-system get deployment coredns \
    -o 'jsonpath={.status.availableReplicas}' 2>/dev/null) -ge 1 ]]
}

default_account_exists() {
  kubectl_admin --namespace default get serviceaccount default
}
