#!/usr/bin/env bash
# Makes sure that what every stage takes is there: the compilers, and what the proxy's tests in network namespaces run.
# Debian's Go may be of any age: e2e/cluster/go.sh fetches the pinned one with it.
set -euo pipefail
cd "$(dirname "$0")"

./debian.sh cc=build-essential cargo=rustup go=golang-go ip=iproute2 iptables=iptables setpriv=util-linux || {
  echo "Debian 12 has no rustup package: where that is what is missing, install Rust by its own installer" \
    "(rust-toolchain.toml pins the version), then run this again." >&2
  exit 1
}
