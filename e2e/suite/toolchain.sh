#!/usr/bin/env bash
# Makes sure the compilers are there: what Debian has is installed, what it has not is named with the remedy.
set -euo pipefail

missing=()
command -v cargo >/dev/null || missing+=(rustup)
command -v go >/dev/null || missing+=(golang-go) # of any age: e2e/cluster/go.sh fetches the pinned one with it
command -v cc >/dev/null || missing+=(build-essential)
if ((${#missing[@]})); then
  echo "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qqy "${missing[@]}" >/dev/null || {
    echo "could not install ${missing[*]}. Debian 12 has no rustup package: install Rust by its own installer" \
      "(rust-toolchain.toml pins the version), then run this again." >&2
    exit 1
  }
fi
