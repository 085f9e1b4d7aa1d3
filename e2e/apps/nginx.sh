#!/usr/bin/env bash
# Puts Debian's nginx, which plays an ingress controller, into ~/.cache/weft/image/nginx.tar, docker.io/weft/nginx:dev.
set -euo pipefail
cd "$(dirname "$0")"

../suite/debian.sh nginx=nginx-light
../image/scratch.sh nginx /usr/sbin/nginx
