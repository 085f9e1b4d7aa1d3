# shellcheck shell=bash
# Which Kubernetes is wanted, and which one runs.

# The line of releases that the cluster runs: one that has a folder e2e/tools/kubernetes-LINE.
KUBERNETES_LINE=${WEFT_KUBERNETES:-1.37}
KUBERNETES_MODULE=kubernetes-$KUBERNETES_LINE

kubernetes_known() {
  local folders=("$TOOLS_DIR"/kubernetes-*)
  [[ -f $TOOLS_DIR/$KUBERNETES_MODULE/go.mod ]] ||
    die "WEFT_KUBERNETES=$KUBERNETES_LINE is not one of: ${folders[*]##*/kubernetes-}"
}

# Such as v1.37.2.
kubernetes_wanted() {
  sed -nE 's#^(require )?\s*k8s\.io/kubernetes (v[0-9.]+).*#\2#p' "$TOOLS_DIR/$KUBERNETES_MODULE/go.mod"
}

kubernetes_running() {
  kubectl_admin get --raw /version | jq --raw-output .gitVersion
}
