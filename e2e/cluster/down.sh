#!/usr/bin/env bash
# Stops the test cluster and removes everything that it put on the machine but its logs and its
# builds. Does nothing where none runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=lib/load.sh
source lib/load.sh

hold_lock
if use_kind; then
  kind_down
  exit 0
fi
if cluster_remains; then
  step 'cluster removed' cluster_remove
fi
