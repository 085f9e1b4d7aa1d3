#!/usr/bin/env bash
# Gives the cluster the Gateway API's CRDs of the version that a line's go.mod pins, in the place of those of another channel
# or line. Quick when they are there.
#
# usage: install-crds.sh [standard|experimental]
#        WEFT_GATEWAY_API=1.6 install-crds.sh takes another line of the Gateway API than the default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=../cluster/env.sh
source ../cluster/env.sh
# shellcheck source=line.sh
source line.sh

channel=${1:-standard}
./build.sh crds
# It keeps channels from replacing each other.
kubectl delete --ignore-not-found validatingadmissionpolicybinding safe-upgrades.gateway.networking.k8s.io >/dev/null

# Server-side: client-side apply would keep each CRD in an annotation too, and HTTPRoute's is too long for one.
apply() { kubectl apply --server-side --force-conflicts --filename "$CONFORMANCE_CACHE/$channel.yaml" >/dev/null; }

# The API server goes by the binding for some seconds after it is gone.
apply_in_time() {
  local refusal
  for _ in {1..30}; do
    if refusal=$(apply 2>&1); then return; fi
    [[ $refusal == *safe-upgrades* ]] || break
    sleep 1
  done
  echo "$refusal" >&2
  return 1
}

# Of this API's CRDs those that the channel or the line does not have. Those of another line go with their objects: they
# may be stored in a version that this one has not.
foreign() {
  kubectl get crd --output json | jq --raw-output --arg line "v$GATEWAY_API_LINE." --arg channel "$channel" '
    .items[]
    | select(.spec.group == "gateway.networking.k8s.io" or .spec.group == "gateway.networking.x-k8s.io")
    | select((.metadata.annotations["gateway.networking.k8s.io/bundle-version"] // "" | startswith($line) | not)
        or ($channel == "standard" and .spec.group == "gateway.networking.x-k8s.io"))
    | .metadata.name'
}

mapfile -t names < <(foreign)
((${#names[@]} == 0)) || kubectl delete crd "${names[@]}" >/dev/null
apply_in_time
kubectl wait --for condition=Established --timeout 30s crd/{grpc,http}routes.gateway.networking.k8s.io >/dev/null
