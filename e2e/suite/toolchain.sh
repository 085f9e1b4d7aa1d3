#!/usr/bin/env bash
# Makes sure the compilers are there: what Debian has is installed, what it has not is named with the remedy.
set -euo pipefail

missing=()
command -v cargo >/dev/null || missing+=(rustup)
command -v go >/dev/null || missing+=(golang-go)
command -v cc >/dev/null || missing+=(build-essential)
if ((${#missing[@]})); then
  echo "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qqy "${missing[@]}" >/dev/null || {
    echo "Debian has no package for one of: ${missing[*]}. Install Rust with rustup (rust-toolchain.toml pins the" \
      "version) and Go 1.21 or newer (it fetches the pinned toolchain itself), then run this again." >&2
    exit 1
  }
fi
