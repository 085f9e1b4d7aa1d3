#!/usr/bin/env bash
# Installs the Debian packages that building and running the cluster takes. Does nothing where all
# are there. The containerd package's own service is not used: the cluster starts its own.
set -euo pipefail

# Any Go will do: build.sh fetches the release that it needs.
"$(dirname "${BASH_SOURCE[0]}")/../suite/debian.sh" \
  buildah ca-certificates conntrack containerd containernetworking-plugins ethtool gcc go=golang-go iproute2 iptables \
  jq kmod libc6-dev mmdebstrap openssl procps runc shellcheck tcpdump util-linux
