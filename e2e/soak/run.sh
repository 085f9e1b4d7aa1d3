#!/usr/bin/env bash
# `make soak`: traffic of all kinds while everything changes, for hours, and whether anything grows or is lost.
#   run.sh [--minutes 120] [--output table|json]
# WEFT_PROXY names a built proxy and WEFT_BUNDLE a built weft.mjs; without them they are built. Results go to ~/.cache/weft/soak.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/node_modules/.bin:$PATH"
cache=$HOME/.cache/weft/soak
mkdir -p "$cache"

if [[ $EUID != 0 || $(uname) != Linux ]]; then
  echo "pods are network namespaces here: run this on Linux as root" >&2
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

# What is no number is main.ts' to refuse.
minutes=120
given=("$@")
for index in "${!given[@]}"; do
  case ${given[index]} in
    --minutes) minutes=${given[index + 1]:-0} ;;
    --minutes=*) minutes=${given[index]#*=} ;;
  esac
done
[[ $minutes =~ ^[0-9]+(\.[0-9]*)?$ ]] || minutes=0
limit=$((10#${minutes%%.*} + 11))m

export WEFT_PROXY
# When something hangs all of it is killed: unshare takes no notice of less.
timeout --foreground --verbose --signal=KILL "$limit" e2e/netns/isolate.sh "$cache/testapp" "$WEFT_PROXY" "$WEFT_BUNDLE" -- e2e/soak/main.ts --app /run/bin/testapp \
  --proxy "/run/bin/${WEFT_PROXY##*/}" --bundle "/run/bin/${WEFT_BUNDLE##*/}" --out "$cache" "$@"
