#!/usr/bin/env bash
# Builds Envoy's reference implementation of its rate limit service, and puts it, and Debian's Redis, which keeps its counts, into images of
# their own: ~/.cache/weft/image/{ratelimit,redis}.tar, docker.io/weft/{ratelimit,redis}:dev.
set -euo pipefail
cd "$(dirname "$0")"

binary="$HOME/.cache/weft/image/ratelimit"
mkdir -p "${binary%/*}"
(cd ratelimit && CGO_ENABLED=0 GOFLAGS=-mod=readonly ../../cluster/go.sh build -trimpath -buildvcs=false -ldflags='-s -w' -o "$binary" tool)
../image/scratch.sh ratelimit "$binary"

# The server itself goes by this name in the package that starts no service.
../suite/debian.sh redis-check-rdb=redis-tools
../image/scratch.sh redis "$(command -v redis-check-rdb)"
