#!/usr/bin/env bash
# Builds an OpenTelemetry Collector of the parts that tests need, and puts it into an image of its own: ~/.cache/weft/image/otelcol.tar,
# docker.io/weft/otelcol:dev.
set -euo pipefail
cd "$(dirname "$0")"

binary="$HOME/.cache/weft/image/otelcol"
mkdir -p "${binary%/*}"
(cd otelcol && CGO_ENABLED=0 GOFLAGS=-mod=readonly ../../cluster/go.sh build -trimpath -buildvcs=false -ldflags='-s -w' -o "$binary" .)
../image/scratch.sh otelcol "$binary"
