#!/usr/bin/env bash
# Prints the path of an administrator's kubeconfig that works from the host.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=lib/settings.sh
source lib/settings.sh
# shellcheck source=lib/progress.sh
source lib/progress.sh

[[ -f $KUBECONFIG_FILE ]] || die 'no cluster runs; start one with e2e/cluster/up.sh'
echo "$KUBECONFIG_FILE"
