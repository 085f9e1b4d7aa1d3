#!/usr/bin/env bash
# `make bench-control-plane`: the control plane on one core, a real API server and thousands of simulated proxies.
# run.sh [--smoke] [--telemetry] [--rounds N] [--proxies N] [--services N] [--seconds N] [--out FILE] [--beside FILE [--beside-name NAME]]
# WEFT_BUNDLE names a built weft.mjs to measure, WEFT_PROXY the weft-proxy that is its front; without them they are built. CPU and memory
# are of both. --beside names another one, such as that of an
# older commit, which is measured in turn with the first; the table then shows both, and ratios.
# Runs in a network namespace of its own, whose addresses are those of the pods; what it starts ends with it.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/node_modules/.bin:$PATH"
cache=$HOME/.cache/weft/bench-control-plane
mkdir -p "$cache"

if [[ $EUID != 0 || $(uname) != Linux ]]; then
  echo "the benchmark makes a network namespace: run it on Linux as root" >&2
  exit 1
fi

bin=${WEFT_CLUSTER_BIN:-}
if [[ -z $bin ]]; then
  e2e/cluster/build.sh
  bin=$HOME/.cache/weft/cluster/current/bin
fi
if [[ -z ${WEFT_BUNDLE:-} ]]; then
  npm run --silent build -- --log-level=warning
  WEFT_BUNDLE=$PWD/dist/weft.mjs
fi
[[ -n ${WEFT_PROXY:-} ]] || WEFT_PROXY=$(proxy/build.sh)
e2e/cluster/go.sh build -C bench/control-plane -o "$cache/bench" .

sizes=()
if [[ ${1:-} == --smoke ]]; then
  shift
  sizes=(-smoke -telemetry -services 60 -proxies 200 -seconds 3)
fi

dir=$(mktemp -d "$cache/run.XXXXXX")
cores=$(nproc)
# shellcheck disable=SC2016 # the inner shell expands it
unshare --net --pid --fork --kill-child --mount-proc bash -euc '
  ip link set lo up
  ip route add local 10.128.0.0/9 dev lo
  exec taskset -c "$1" "${@:2}"' isolate "$((cores > 1 ? 1 : 0))-$((cores - 1))" \
  "$cache/bench" -dir "$dir" -bin "$bin" -crds charts/weft-crds/templates -node "$(command -v node)" -bundle "$WEFT_BUNDLE" \
  -front "$WEFT_PROXY" \
  "${sizes[@]}" "$@"
rm -rf "$dir"
