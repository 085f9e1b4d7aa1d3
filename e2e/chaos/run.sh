#!/usr/bin/env bash
# `make chaos`: faults of the network and of the control plane, each with traffic through it, in network namespaces.
#   run.sh [--only NAME,NAME] [--output table|json]
# WEFT_PROXY names a built proxy and WEFT_BUNDLE a built weft.mjs; without them they are built. Results go to ~/.cache/weft/chaos.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/node_modules/.bin:$PATH"
cache=$HOME/.cache/weft/chaos
mkdir -p "$cache"

if [[ $EUID != 0 || $(uname) != Linux ]]; then
  echo "faults are made in network namespaces: run this on Linux as root" >&2
  exit 1
fi

(cd e2e/apps && CGO_ENABLED=0 ../cluster/go.sh build -trimpath -o "$cache/testapp" .)
if [[ -z ${WEFT_PROXY:-} ]]; then
  WEFT_PROXY=$(proxy/build.sh)
fi

if [[ -z ${WEFT_BUNDLE:-} ]]; then
  npm run --silent build -- --log-level=warning
  WEFT_BUNDLE=$PWD/dist/weft.mjs
fi
e2e/suite/debian.sh faketime=faketime

export WEFT_PROXY
# When something hangs all of it is killed: unshare takes no notice of less.
timeout --foreground --verbose --signal=KILL 30m e2e/netns/isolate.sh "$cache/testapp" "$WEFT_PROXY" "$WEFT_BUNDLE" -- e2e/chaos/main.ts --app /run/bin/testapp \
  --proxy "/run/bin/${WEFT_PROXY##*/}" --bundle "/run/bin/${WEFT_BUNDLE##*/}" --out "$cache" "$@"
