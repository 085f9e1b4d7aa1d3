#!/usr/bin/env bash
# Builds Open Policy Agent behind Envoy's external authorization, and puts it into an image of its own: ~/.cache/weft/image/opa.tar,
# docker.io/weft/opa:dev.
set -euo pipefail
cd "$(dirname "$0")"

binary="$HOME/.cache/weft/image/opa"
mkdir -p "${binary%/*}"
(cd opa && CGO_ENABLED=0 GOFLAGS=-mod=readonly ../../cluster/go.sh build -trimpath -buildvcs=false -ldflags='-s -w' -o "$binary" .)
../image/scratch.sh opa "$binary"
