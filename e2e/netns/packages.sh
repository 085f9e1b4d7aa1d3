#!/usr/bin/env bash
# Installs what pods made of network namespaces take: addresses, capture, and another user for the proxy.
set -euo pipefail

"$(dirname "${BASH_SOURCE[0]}")/../suite/debian.sh" ip=iproute2 iptables=iptables setpriv=util-linux
