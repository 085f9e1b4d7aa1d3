#!/usr/bin/env bash
# Puts Debian's nginx, which plays an ingress controller, into ~/.cache/weft/image/nginx.tar, docker.io/weft/nginx:dev.
set -euo pipefail
cd "$(dirname "$0")"

if [[ ! -x /usr/sbin/nginx ]]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends nginx-light >/dev/null
fi
../image/scratch.sh nginx /usr/sbin/nginx
