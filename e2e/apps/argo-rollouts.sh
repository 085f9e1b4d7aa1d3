#!/usr/bin/env bash
# Builds the controller of Argo Rollouts, pinned in e2e/tools/argo-rollouts, and puts it and its plugin for Gateway API into one image:
# ~/.cache/weft/image/argo-rollouts.tar, docker.io/weft/argo-rollouts:dev, with the plugin as /plugin. The plugin is not served as a Go module:
# WEFT_ROLLOUTS_PLUGIN is a program of one of its releases. Prints the folder of the controller's source, which has the manifests.
set -euo pipefail
plugin=$(realpath "${WEFT_ROLLOUTS_PLUGIN:?is to be the file of a release of rollouts-plugin-trafficrouter-gatewayapi}")
cd "$(dirname "$0")"
# shellcheck source=../image/engine.sh
source ../image/engine.sh

mkdir -p "$IMAGE_DIR"
module() { (cd ../tools/argo-rollouts && GOFLAGS=-mod=readonly ../../cluster/go.sh "$@"); }
binary=$IMAGE_DIR/rollouts-controller
CGO_ENABLED=0 module build -trimpath -buildvcs=false -ldflags='-s -w' -o "$binary" github.com/argoproj/argo-rollouts/cmd/rollouts-controller
exec 8>"$IMAGE_DIR/build.lock"
flock 8
context=$(mktemp -d "$IMAGE_DIR/.context.XXXXXX")
trap 'rm -rf "$context"' EXIT
install -m 755 "$binary" "$context"
install -m 755 "$plugin" "$context/plugin"
cat >"$context/Dockerfile" <<END
FROM scratch
COPY rollouts-controller /bin/
COPY plugin /
WORKDIR /home/argo-rollouts
USER 999:999
ENTRYPOINT ["/bin/rollouts-controller"]
END
context_archive argo-rollouts docker.io/weft/argo-rollouts:dev "$context" >&2
module list -m -f '{{.Dir}}' github.com/argoproj/argo-rollouts
