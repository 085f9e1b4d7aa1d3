#!/usr/bin/env bash
# Installs the Debian packages that building and running the cluster takes. Does nothing where all
# are there. The containerd package's own service is not used: the cluster starts its own.
set -euo pipefail

packages=(
  buildah ca-certificates conntrack containerd containernetworking-plugins ethtool gcc iproute2 iptables
  jq kmod libc6-dev mmdebstrap openssl procps runc shellcheck tcpdump util-linux
)
# Any Go will do: build.sh fetches the release that it needs.
command -v go >/dev/null || packages+=(golang-go)

installed() {
  dpkg-query --show --showformat '${db:Status-Abbrev}\n' "$1" 2>/dev/null | grep --quiet '^ii'
}

missing=()
for package in "${packages[@]}"; do
  installed "$package" || missing+=("$package")
done
((${#missing[@]} > 0)) || exit 0

echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}" >/dev/null
