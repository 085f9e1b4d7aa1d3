#!/usr/bin/env bash
# `make scenarios`: what resilience must show, each row played with real processes in network namespaces.
#   run.sh [--only NAME,NAME] [--runs N] [--short]
# WEFT_PROXY names a built proxy; without it one is built. Results go to ~/.cache/weft/scenarios.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=$HOME/.cache/weft/scenarios
mkdir -p "$cache"

if [[ $EUID != 0 || $(uname) != Linux ]]; then
  echo "the scenarios make network namespaces: run them on Linux as root" >&2
  exit 1
fi

(cd e2e/apps && CGO_ENABLED=0 ../cluster/go.sh build -trimpath -o "$cache/testapp" .)
if [[ -z ${WEFT_PROXY:-} ]]; then
  WEFT_PROXY=$(proxy/build.sh)
fi

export WEFT_PROXY
e2e/netns/isolate.sh "$cache/testapp" "$WEFT_PROXY" -- e2e/scenarios/main.ts \
  --app /run/bin/testapp --proxy "/run/bin/${WEFT_PROXY##*/}" --out "$cache" "$@"
