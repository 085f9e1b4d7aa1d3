#!/usr/bin/env bash
# Builds weft-cni as it ships, linked statically because it runs on the node, and prints the path of the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/weft/target}

target=$(uname -m)-unknown-linux-musl
if ! rustup target list --installed | grep -qx "$target" && ! rustup target add "$target" >&2; then
  # Without a network there is the C library of this machine, which can be linked statically too.
  target=$(uname -m)-unknown-linux-gnu
  export RUSTFLAGS="${RUSTFLAGS:-} -Ctarget-feature=+crt-static"
fi
cargo build --quiet --locked --release -p weft-cni --target "$target" >&2
echo "$CARGO_TARGET_DIR/$target/release/weft-cni"
