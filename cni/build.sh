#!/usr/bin/env bash
# Builds weft-cni as it ships, linked statically because it runs on the node, and prints the path of the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/weft/target}

target=$(uname -m)-unknown-linux-musl
cargo build --quiet --locked --release -p weft-cni --target "$target" >&2
echo "$CARGO_TARGET_DIR/$target/release/weft-cni"
