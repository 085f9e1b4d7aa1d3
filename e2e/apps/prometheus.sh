#!/usr/bin/env bash
# Builds Prometheus, pinned in e2e/tools/prometheus, into an image of its own: ~/.cache/weft/image/prometheus.tar,
# docker.io/weft/prometheus:dev, and promtool beside it. It finds targets through Kubernetes alone, and has no page for browsers. Cold that
# takes four minutes of a processor.
set -euo pipefail
cd "$(dirname "$0")"

folder="$HOME/.cache/weft/image"
mkdir -p "$folder"
tags=netgo,remove_all_sd,enable_kubernetes_sd
for program in prometheus promtool; do
  (cd ../tools/prometheus && CGO_ENABLED=0 GOFLAGS=-mod=readonly ../../cluster/go.sh build -trimpath -buildvcs=false \
    -ldflags='-s -w' -tags="$tags" -o "$folder/$program" "github.com/prometheus/prometheus/cmd/$program")
done
../image/scratch.sh prometheus "$folder/prometheus"
