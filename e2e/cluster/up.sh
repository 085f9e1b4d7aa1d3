#!/usr/bin/env bash
# Boots the test cluster and returns when it can take work: node Ready, CoreDNS available, default
# service account there. Installs and builds what is missing. Returns at once where a healthy cluster of the wanted
# version runs, and replaces one that is broken or runs another version. WEFT_KUBERNETES=1.34 asks for another than the
# default; e2e/tools/kubernetes-* are those there are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=lib/load.sh
source lib/load.sh

kubernetes_known
hold_lock
if use_kind; then
  kind_up
  exit 0
fi
((EUID == 0)) || die 'namespaces, cgroups and mounts need root'
if cluster_healthy; then
  echo "cluster $CLUSTER_NAME is up already, with Kubernetes $(kubernetes_wanted)"
  exit 0
fi
step 'packages' ./packages.sh
step 'build' ./build.sh
if cluster_remains; then
  step 'remains of an earlier cluster removed' cluster_remove
fi
cluster_boot
