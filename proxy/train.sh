#!/usr/bin/env bash
# `make train`: lets the proxy do what the benchmark asks of it, and writes down for compiler and linker what it did:
#   proxy/trained/weft-proxy.profdata.gz  how often each branch was taken; build.sh hands it to the compiler
#   proxy/trained/order.ld                which functions ran, and when; proxy/build.rs hands it to the linker
# After changing the path of a request, a dependency or the version of Rust; `make bench-guard` tells. About 12 minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
counts=$HOME/.cache/weft/bench/train

rustup component add llvm-tools 2>/dev/null || {
  echo "train.sh: llvm-tools of this version of Rust are needed: rustup component add llvm-tools" >&2
  exit 1
}
host=$(rustc -vV | sed -n 's/^host: //p')
profdata=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata

rm -rf "$counts"
WEFT_PROXY=$(proxy/build.sh --counting) bench/run.sh --train
"$profdata" merge -o "$counts/weft-proxy.profdata" "$counts"/*.profraw
gzip -9nc "$counts/weft-proxy.profdata" >proxy/trained/weft-proxy.profdata.gz
bench/run.sh --order
