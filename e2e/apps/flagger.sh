#!/usr/bin/env bash
# Builds Flagger, pinned in e2e/tools/flagger, into an image like its own: ~/.cache/weft/image/flagger.tar, docker.io/weft/flagger:dev. Its chart runs
# ./flagger and asks it with wget whether it is well. Prints the folder of its source, which has the chart.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../image/engine.sh
source ../image/engine.sh

mkdir -p "$IMAGE_DIR"
../suite/debian.sh wget=wget >&2
module() { (cd ../tools/flagger && GOFLAGS=-mod=readonly ../../cluster/go.sh "$@"); }
CGO_ENABLED=0 module build -trimpath -buildvcs=false -ldflags='-s -w' -o "$IMAGE_DIR/flagger" github.com/fluxcd/flagger/cmd/flagger
exec 8>"$IMAGE_DIR/build.lock"
flock 8
context=$(mktemp -d "$IMAGE_DIR/.context.XXXXXX")
trap 'rm -rf "$context"' EXIT
install -m 755 "$IMAGE_DIR/flagger" "$context"
wget=$(command -v wget)
for file in "$wget" $(ldd "$wget" | grep -o '/[^ ]*'); do install -D -m 755 "$file" "$context/root$file"; done
cat >"$context/Dockerfile" <<END
FROM scratch
COPY flagger /
COPY root /
WORKDIR /
USER 10001:10001
ENTRYPOINT ["./flagger"]
END
context_archive flagger docker.io/weft/flagger:dev "$context" >&2
module list -m -f '{{.Dir}}' github.com/fluxcd/flagger
