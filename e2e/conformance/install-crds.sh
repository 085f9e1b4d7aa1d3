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
# It keeps channels from replacing each other, and comes back with the CRDs.
kubectl delete --ignore-not-found validatingadmissionpolicybinding safe-upgrades.gateway.networking.k8s.io >/dev/null
if [[ $channel == standard ]]; then
  kubectl delete --ignore-not-found crd x{backend,backendtrafficpolicie,meshe}s.gateway.networking.x-k8s.io >/dev/null
fi
# Server-side: client-side apply would keep each CRD in an annotation too, and HTTPRoute's is too long for one.
kubectl apply --server-side --force-conflicts --filename "$folder/$channel.yaml" >/dev/null
kubectl wait --for condition=Established --timeout 30s crd/{grpc,http}routes.gateway.networking.k8s.io >/dev/null
