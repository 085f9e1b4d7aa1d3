#!/usr/bin/env bash
# Builds the test application into an image of its own: ~/.cache/weft/image/testapp.tar, docker.io/weft/testapp:dev.
set -euo pipefail
cd "$(dirname "$0")"

binary="$HOME/.cache/weft/image/testapp"
mkdir -p "${binary%/*}"
CGO_ENABLED=0 ../cluster/go.sh build -trimpath -ldflags='-s -w' -o "$binary" .
../image/scratch.sh testapp "$binary"
