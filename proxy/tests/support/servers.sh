#!/usr/bin/env bash
# Installs, from Debian, the servers that tests talk to through the proxy. Does nothing where they are. None is started:
# the tests run them in network namespaces of their own.
set -euo pipefail

packages=()
[[ -x $(echo /usr/lib/postgresql/*/bin/initdb) ]] || packages+=(postgresql)
command -v mariadbd >/dev/null || packages+=(mariadb-server)
command -v redis-server >/dev/null || packages+=(redis-server)
/usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || packages+=(python3-aiosmtpd)
((${#packages[@]})) || exit 0

policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
"$(dirname "$0")/../../../e2e/suite/debian.sh" "${packages[@]}"
