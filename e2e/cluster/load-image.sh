#!/usr/bin/env bash
# Gives the node an image: load-image.sh FILE, an OCI archive that carries its name and platform.
# Pods use it with imagePullPolicy Never or IfNotPresent.
set -euo pipefail
archive=$(realpath "${1:?usage: load-image.sh FILE}")
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=lib/load.sh
source lib/load.sh

if use_kind; then
  kind_load "$archive"
else
  daemon_alive "$NODE" containerd || die 'no cluster runs; start one with e2e/cluster/up.sh'
  import_image "$NODE" "$archive"
fi
