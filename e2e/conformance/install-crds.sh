#!/usr/bin/env bash
# Gives the cluster the Gateway API's CRDs, standard channel, of the version that go.mod pins. Quick when they are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=../cluster/env.sh
source ../cluster/env.sh

./build.sh crds
crds=${XDG_CACHE_HOME:-$HOME/.cache}/weft/conformance/crds.yaml
# Server-side: client-side apply would keep each CRD in an annotation too, and HTTPRoute's is too long for one.
kubectl apply --server-side --force-conflicts --filename "$crds" >/dev/null
kubectl wait --for condition=Established --timeout 30s crd/{grpc,http}routes.gateway.networking.k8s.io >/dev/null
