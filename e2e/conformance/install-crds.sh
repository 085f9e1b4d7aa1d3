#!/usr/bin/env bash
# Gives the cluster the Gateway API's CRDs of the version that go.mod pins, in the place of those of another channel. Quick
# when they are there.
#
# usage: install-crds.sh [standard|experimental]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=../cluster/env.sh
source ../cluster/env.sh

channel=${1:-standard}
./build.sh crds
folder=${XDG_CACHE_HOME:-$HOME/.cache}/weft/conformance
# It keeps channels from replacing each other.
kubectl delete --ignore-not-found validatingadmissionpolicybinding safe-upgrades.gateway.networking.k8s.io >/dev/null

# Server-side: client-side apply would keep each CRD in an annotation too, and HTTPRoute's is too long for one.
apply() { kubectl apply --server-side --force-conflicts --filename "$folder/$channel.yaml" >/dev/null; }

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

if [[ $channel == standard ]]; then
  kubectl delete --ignore-not-found crd x{backend,backendtrafficpolicie,meshe}s.gateway.networking.x-k8s.io >/dev/null
fi
apply_in_time
kubectl wait --for condition=Established --timeout 30s crd/{grpc,http}routes.gateway.networking.k8s.io >/dev/null
