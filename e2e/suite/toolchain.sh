#!/usr/bin/env bash
# Makes sure the compilers are there: what Debian has is installed, what it has not is named with the remedy.
# Debian's Go may be of any age: e2e/cluster/go.sh fetches the pinned one with it.
set -euo pipefail
cd "$(dirname "$0")"

./debian.sh cc=build-essential cargo=rustup go=golang-go || {
  echo "Debian 12 has no rustup package: where that is what is missing, install Rust by its own installer" \
    "(rust-toolchain.toml pins the version), then run this again." >&2
  exit 1
}
